import { describe, expect, it } from 'vitest';
import { jsonMembers } from '../../../src/elt/read/ndjson-line.js';
import { recordFault } from '../../../src/elt/singer/record-fault.js';
import { schemaColumns } from '../../../src/elt/singer/schema-columns.js';

const typeOf = (property: unknown): string =>
  schemaColumns(JSON.stringify({ properties: { a: property }, $defs: { id: { type: 'integer' } } })).properties[0]!
    .type;

describe('schemaColumns', () => {
  it.each([
    [{ type: 'integer' }, 'bigint'],
    [{ type: ['null', 'integer'], minimum: -(2 ** 63), maximum: 2 ** 63 }, 'bigint'],
    [{ type: 'integer', maximum: 2 ** 64 }, 'numeric'],
    [{ type: ['number', 'null'], multipleOf: 1e-9 }, 'numeric'],
    [{ type: 'boolean' }, 'boolean'],
    [{ type: 'string' }, 'text'],
    [{ type: 'string', format: 'date-time' }, 'timestamptz'],
    [{ type: ['string', 'null'], format: 'date' }, 'date'],
    [{ type: 'string', format: 'time' }, 'time'],
    [{ type: 'string', format: 'uuid' }, 'uuid'],
    [{ type: 'string', format: 'singer.decimal' }, 'numeric'],
    [{ type: 'string', format: 'email' }, 'text'],
    [{ type: 'object', properties: { b: { type: 'integer' } } }, 'jsonb'],
    [{ type: ['array', 'null'], items: { type: 'string' } }, 'jsonb'],
    [{}, 'jsonb'],
    [true, 'jsonb'],
    [{ type: ['integer', 'number'] }, 'numeric'],
    [{ type: ['integer', 'string'] }, 'text'],
    [{ type: ['string', 'object'] }, 'jsonb'],
    [{ anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] }, 'timestamptz'],
    [{ anyOf: [{ type: 'string', format: 'date-time' }, { type: ['string', 'null'] }] }, 'text'],
    [{ oneOf: [{ $ref: '#/$defs/id' }, { type: 'null' }] }, 'bigint'],
    [{ allOf: [{ type: 'string' }, { format: 'date' }] }, 'date'],
  ])('%j is %s', (property, type) => {
    expect(typeOf(property)).toBe(type);
  });

  it.each([
    ['{"type":"object"}', /no "properties"/],
    ['{"properties":{"a":{"type":"int"}}}', /property "a" has the type "int", expected null, boolean/],
    ['{"properties":{"a":{"$ref":"#/$defs/x"}}}', /refers to "#\/\$defs\/x", which the schema does not have/],
    ['{"properties":{"a":7}}', /property "a" has no schema/],
    ['{"properties":{},"required":"id"}', /"required" of the schema is no list/],
  ])('refuses %s', (schema, message) => {
    expect(() => schemaColumns(schema)).toThrow(message);
  });
});

describe('recordFault', () => {
  const schema = schemaColumns(
    JSON.stringify({
      required: ['id'],
      properties: {
        id: { type: 'integer' },
        price: { type: 'number' },
        name: { type: 'string' },
        tags: { type: 'array' },
        any: {},
      },
    }),
  );
  const fault = (record: string): unknown => recordFault(jsonMembers(record), schema, ['id']);

  it('lets through what the schema allows, NULL and what it does not name', () => {
    for (const record of [
      '{"id":1,"price":2,"name":"a","tags":[],"any":{"x":1}}',
      '{"id":1.0,"price":null,"name":null,"other":[1]}',
    ])
      expect(fault(record)).toBeUndefined();
  });

  it.each([
    ['{"price":1}', { column: 'id', reason: 'the key property is missing' }],
    ['{"id":"1"}', { column: 'id', value: '"1"', reason: 'expected integer by the schema, got string' }],
    ['{"id":1.5}', { column: 'id', reason: 'expected integer by the schema, got number' }],
    ['{"id":1,"name":7}', { column: 'name', reason: 'expected string by the schema, got integer' }],
    ['{"id":1,"tags":{}}', { column: 'tags', reason: 'expected array by the schema, got object' }],
    ['{"id":1,"price":true}', { column: 'price', reason: 'expected number by the schema, got boolean' }],
  ])('finds the fault of %s', (record, expected) => {
    expect(fault(record)).toMatchObject(expected);
  });

  it('asks for required members that are no key', () => {
    expect(recordFault(jsonMembers('{"price":1}'), schema, [])).toMatchObject({
      column: 'id',
      reason: 'the schema requires the property',
    });
  });
});
