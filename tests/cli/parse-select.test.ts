import { expect, test } from 'vitest';
import { parseSelect } from '../../src/cli/parse-select.js';

test('takes commas, spaces and a repeated option', () => {
  expect(parseSelect('a,+b c+', ['z'])).toEqual(['z', 'a', '+b', 'c+']);
});

test.each(['', 'a++', 'A', 'tag:x'])('refuses %j', (value) => {
  expect(() => parseSelect(value)).toThrow('expected name, name+ or +name');
});
