import { expect, it } from 'vitest';
import { summarizeLoad } from '../../src/activities/load-summary.js';
import { resourceOf } from '../elt/load/workbench.js';

it.each([
  ['postgres', 'days: columns that are gone from the source, and keep their values: v'],
  // All that a program has takes the place of its table, also where it appends.
  ['python', 'days: columns that are gone: v'],
] as const)('says what became of columns that are gone: %s', (type, notice) => {
  const resource = resourceOf({ id: 'days', type, write: 'append', path: '' });
  const published = { rows: 1, table: 'days', version: 2, columnsAdded: [], typesChanged: [], columnsGone: ['v'] };
  expect(summarizeLoad(resource, [], published, {}, undefined, undefined).notices).toEqual([notice]);
});
