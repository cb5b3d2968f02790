import { expect, it } from 'vitest';
import type { Column, ColumnTable } from '../../src/table/column-table.js';
import { compareRows } from '../../src/table/compare-rows.js';
import { numbers, texts, times } from '../training/training-set.js';

const table = (columns: Readonly<Record<string, Column>>): ColumnTable => ({
  rowCount: Object.values(columns)[0]!.values.length,
  columns: new Map(Object.entries(columns)),
});

it('counts the rows that both tables have and where a column differs', async () => {
  const before = table({
    shop: texts('a', 'a', 'b', 'c'),
    day: times(1, 2, 1, 1),
    same: numbers(1, NaN, 3, 4),
    text: texts('x', null, '', 'y'),
    close: numbers(100, 200, 300, 400),
    other: numbers(1, 2, NaN, 4),
    kind: numbers(1, 2, 3, 4),
  });
  const now = table({
    shop: texts('b', 'a', 'a', 'd'),
    day: times(1, 1, 2, 1),
    same: numbers(3, 1, NaN, 9),
    text: texts(null, 'x', '', 'z'),
    close: numbers(300.0001, 100, 200, 0),
    other: numbers(0, 1.00001, 2, 0),
    kind: texts('3', '1', '2', '9'),
  });
  const columns = ['same', 'text', 'close', 'other', 'kind', 'absent'];
  expect(await compareRows(before, now, { keys: ['shop', 'day'], columns })).toEqual({
    rows: 3,
    differing: [
      { name: 'other', rows: 2 },
      { name: 'kind', rows: 3 },
      { name: 'absent', rows: 3 },
    ],
  });
});
