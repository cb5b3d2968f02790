import { expect, test } from 'vitest';
import { parseSelect } from '../../src/cli/parse-select.js';

test('takes commas, spaces and a repeated option', () => {
  expect(parseSelect('a,+b c+ shop.d+ d.e', ['z'])).toEqual(['z', 'a', '+b', 'c+', 'shop.d+', 'd.e']);
});

test.each(['', 'a++', 'a.', 'a.b.c', 'A', 'tag:x'])('refuses %j', (value) => {
  expect(() => parseSelect(value)).toThrow('expected name, name+ or +name');
});
