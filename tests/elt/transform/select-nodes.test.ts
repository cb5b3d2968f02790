import { expect, test } from 'vitest';
import { selectNodes } from '../../../src/elt/transform/select-nodes.js';

const nodes = [
  { name: 'calendar', deps: [] },
  { name: 'rides', deps: [] },
  { name: 'demand', deps: ['calendar', 'rides'] },
  { name: 'report', deps: ['demand'] },
];
const select = (...patterns: string[]) => selectNodes(nodes, patterns).map(({ name }) => name);

test.each([
  [['demand'], ['demand']],
  [['rides+'], ['rides', 'demand', 'report']],
  [['+demand'], ['calendar', 'rides', 'demand']],
  [['+demand+'], ['calendar', 'rides', 'demand', 'report']],
  [
    ['report', 'calendar'],
    ['calendar', 'report'],
  ],
])('%j selects %j, in the order of building', (patterns, names) => {
  expect(select(...patterns)).toEqual(names);
});

test('names what is near an unknown name', () => {
  expect(() => select('+demnad')).toThrow(
    expect.objectContaining({ code: 'ELT_SELECT_UNKNOWN', next: 'Nearest name: demand.' }) as Error,
  );
});

test('goes through an ephemeral transform, for which alone nothing is built', () => {
  const through = (...patterns: string[]) =>
    selectNodes(nodes, patterns, [{ name: 'cleaned', deps: ['rides'], readers: ['demand'] }]).map(({ name }) => name);
  expect(through('cleaned+')).toEqual(['demand', 'report']);
  expect(through('+cleaned')).toEqual(['rides']);
  expect(() => through('cleaned')).toThrow('it is ephemeral, so nothing is built for it');
  expect(() => through('claened')).toThrow(expect.objectContaining({ next: 'Nearest name: cleaned.' }) as Error);
});

test('starts at a seed or a resource, which itself is not built', () => {
  const [calendar, rides, ...others] = nodes;
  const reading = [
    { ...calendar!, sources: ['seeds.days'] },
    { ...rides!, sources: ['api.rides_raw', 'sales'] },
    ...others,
  ];
  const of = (...patterns: string[]) => selectNodes(reading, patterns).map(({ name }) => name);
  expect(of('days+')).toEqual(['calendar', 'demand', 'report']);
  for (const pattern of ['rides_raw+', 'api.rides_raw+', 'sales+'])
    expect(of(pattern)).toEqual(['rides', 'demand', 'report']);
  expect(() => of('days')).toThrow('Selecting days failed: it is loaded, not built.');
  expect(() => of('other.rides_raw+')).toThrow('there is no transform of that name');
});
