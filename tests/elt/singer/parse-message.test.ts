import { describe, expect, it } from 'vitest';
import { parseMessage } from '../../../src/elt/singer/parse-message.js';

describe('parseMessage', () => {
  it('keeps records, schemas and states as they are written, and passes over keys it does not know', () => {
    expect(
      parseMessage(
        '{"type":"RECORD","stream":"a","record":{"n": 9007199254740993, "d":1.10},"time_extracted":"x","z":[1]}',
      ),
    ).toEqual({ type: 'RECORD', stream: 'a', record: '{"n": 9007199254740993, "d":1.10}' });
    expect(parseMessage('{"type":"RECORD","stream":"a","record":{},"version":1541199424491}')).toMatchObject({
      version: '1541199424491',
    });
    expect(parseMessage('{"value":{"b":{"a":1e400}},"type":"STATE"}')).toEqual({
      type: 'STATE',
      value: '{"b":{"a":1e400}}',
    });
    expect(parseMessage('{"type":"SCHEMA","stream":"a","schema":{"properties":{}},"key_properties":null}')).toEqual({
      type: 'SCHEMA',
      stream: 'a',
      schema: '{"properties":{}}',
      keyProperties: [],
    });
    expect(parseMessage('{"type":"ACTIVATE_VERSION","stream":"a","version":7}')).toEqual({
      type: 'ACTIVATE_VERSION',
      stream: 'a',
      version: '7',
    });
  });

  it.each([
    ['INFO starting', /JSON|token/i],
    ['[1]', /expected a JSON object, got an array/],
    ['{"type":"LOG"}', /"type" is "LOG", expected SCHEMA, RECORD, STATE, ACTIVATE_VERSION or BATCH/],
    ['{"stream":"a"}', /a message without "type"/],
    ['{"type":"RECORD","stream":"a"}', /RECORD without "record", expected an object/],
    ['{"type":"RECORD","stream":"a","record":[1]}', /RECORD with a wrong "record"/],
    ['{"type":"RECORD","record":{}}', /RECORD without "stream"/],
    ['{"type":"SCHEMA","stream":"a","schema":{},"key_properties":[1]}', /"key_properties", expected a list of texts/],
    ['{"type":"STATE"}', /STATE without "value"/],
    ['{"type":"ACTIVATE_VERSION","stream":"a","version":1.5}', /"version", expected a whole number/],
  ])('refuses %s', (line, message) => {
    expect(() => parseMessage(line)).toThrow(message);
    expect(() => parseMessage(line)).toThrow(SyntaxError);
  });
});
