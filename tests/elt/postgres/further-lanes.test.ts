import { expect, test } from 'vitest';
import { giveLane, takeLanes } from '../../../src/elt/postgres/further-lanes.js';

test('all loads of a process have a dozen further connections together, and one alone may have them all', () => {
  expect([3, 15, 3, 0, -1].map(takeLanes)).toEqual([3, 9, 0, 0, 0]);
  giveLane();
  expect(takeLanes(3)).toBe(1);
  for (let lane = 0; lane < 12; lane++) giveLane();
  expect(takeLanes(15)).toBe(12);
  for (let lane = 0; lane < 12; lane++) giveLane();
});
