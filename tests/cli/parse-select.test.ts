import { expect, test } from 'vitest';
import { parseSelect } from '../../src/cli/parse-select.js';

test('takes commas, spaces and a repeated option', () => {
  expect(parseSelect('a,+b c+ d.e', ['z'])).toEqual(['z', 'a', '+b', 'c+', 'd.e']);
});

test.each(['', 'a++', 'A', 'tag:x', 'a.b.c'])('refuses %j', (value) => {
  expect(() => parseSelect(value)).toThrow('expected name, name+ or +name');
});
