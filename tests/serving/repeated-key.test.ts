import { describe, expect, it } from 'vitest';
import { repeatedKey } from '../../src/serving/repeated-key.js';

describe('repeatedKey', () => {
  it.each([
    ['plain', '{"a": 1, "a": 2}', 'a'],
    ['written with an escape', '{"a": 1, "\\u0061": 2}', 'a'],
    ['with white space before the colon', '{"a"\n:1,"a"\t:2}', 'a'],
    ['deep in an array', '{"rows": [{"a": 1}, {"b": {}, "a": [], "b": 1}]}', 'b'],
    ['after an object that has it too', '{"x": {"a": 1}, "a": 1, "a": 2}', 'a'],
    ['empty', '{"": 1, "": 2}', ''],
    ['__proto__', '{"__proto__": 1, "__proto__": 2}', '__proto__'],
    ['with a quote in it', '{"\\"": 1, "\\"": 2}', '"'],
    ['ending in a backslash', '{"\\\\": 1, "\\\\": 2}', '\\'],
    ['in the second of two documents', '{"a": 1}\n{"a": 1, "a": 2}\n', 'a'],
  ])('finds a key twice in one object: %s', (_case, json, key) => {
    expect(repeatedKey(json)).toBe(key);
  });

  it.each([
    '{"rows": [{"a": 1}, {"a": 1}], "a": {"a": "a"}}',
    '{"a": "a", "b": ["a", "a"]}',
    '{"a": "{\\"b\\": 1, \\"b\\": 2}"}',
    '{"a": "\\\\", "b": "}", "c": "a"}',
    '{"a": ":", "b": "a:", "A": 1}',
    '[]',
    '"a"',
    'null',
  ])('finds none in %s', (json) => {
    JSON.parse(json);
    expect(repeatedKey(json)).toBeUndefined();
  });

  it('takes a text of a megabyte in one string, or in white space', () => {
    expect(repeatedKey(`{"a": "${'\\n'.repeat(500_000)}", "a": 1}`)).toBe('a');
    expect(repeatedKey(`{"a": 1${' '.repeat(1_000_000)}, "a": 1}`)).toBe('a');
  });
});
