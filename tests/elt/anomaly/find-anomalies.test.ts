import { expect, test } from 'vitest';
import { findAnomalies, type Profile } from '../../../src/elt/anomaly/find-anomalies.js';

const rowsOnly = (...rows: number[]): Profile[] => rows.map((one) => ({ rows: one, nulls: {} }));
const withNulls = (...shares: number[]): Profile[] => shares.map((x) => ({ rows: 1_000, nulls: { x } }));

test('judges rows by median ± 4 × 1.4826 × the median absolute deviation', () => {
  // Median 1,000, absolute deviations 400, 200, 0, 200, 400: s = 1.4826 × 200 = 296.52 (R: mad(c(600, 800, 1000, 1200, 1400))).
  const history = rowsOnly(600, 800, 1_000, 1_200, 1_400);
  expect(findAnomalies(rowsOnly(2_186)[0]!, history)).toEqual([]);
  expect(findAnomalies(rowsOnly(2_187)[0]!, history)).toEqual([
    '2,187 rows, expected 0 to 2,186 (median 1,000 of 5 publications)',
  ]);
  expect(findAnomalies(rowsOnly(1_600)[0]!, history, { deviations: 2 })).toHaveLength(1);
});

test('lets a history without change vary by 10 %, and small counts by their square root', () => {
  const steady = rowsOnly(1_000, 1_000, 1_000, 1_000, 1_000, 50);
  expect(findAnomalies(rowsOnly(600)[0]!, steady)).toEqual([]);
  expect(findAnomalies(rowsOnly(599)[0]!, steady)).toHaveLength(1);
  expect(findAnomalies(rowsOnly(12)[0]!, rowsOnly(4, 4, 4, 4, 4))).toEqual([]);
  expect(findAnomalies(rowsOnly(13)[0]!, rowsOnly(4, 4, 4, 4, 4))).toHaveLength(1);
});

test('judges the share of NULLs of each column that is old enough', () => {
  const history = withNulls(0.1, 0.1, 0.1, 0.1, 0.1);
  expect(findAnomalies({ rows: 1_000, nulls: { x: 0.139, y: 1 } }, history)).toEqual([]);
  expect(findAnomalies({ rows: 1_000, nulls: { x: 0.5 } }, history)).toEqual([
    'column x is NULL in 50 % of the rows, expected 6 % to 14 % (median 10 %)',
  ]);
});

test('judges nothing before there are five publications', () => {
  expect(findAnomalies(rowsOnly(1)[0]!, rowsOnly(1_000, 1_000, 1_000, 1_000))).toEqual([]);
  expect(findAnomalies(rowsOnly(1)[0]!, rowsOnly(1_000, 1_000, 1_000), { minHistory: 3 })).toHaveLength(1);
});
