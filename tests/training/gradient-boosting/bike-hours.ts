import { readFileSync } from 'node:fs';
import type { FloatMatrix } from '../../../src/training/gradient-boosting/boosting-model.js';

const FILE = new URL('../../../examples/bike-demand/data/hour.csv', import.meta.url);
const TEST_FROM = '2012-10-01';
const HOUR_MS = 3_600_000;

export interface BikeHours {
  readonly train: { readonly X: FloatMatrix; readonly y: Float64Array };
  readonly test: { readonly X: FloatMatrix; readonly y: Float64Array };
}

/** hour.csv by columns of that name, and `lag<n>`: the rides n hours before, NaN where that hour is not in the file. */
export function readBikeHours(features: readonly string[]): BikeHours {
  const [head, ...lines] = readFileSync(FILE, 'utf8').trim().split(/\r?\n/);
  const names = head!.split(',');
  const rows = lines.map((line) => line.split(','));
  const value = (row: readonly string[], name: string): string => row[names.indexOf(name)]!;
  const hourOf = (row: readonly string[]): number =>
    Date.parse(value(row, 'dteday')) + Number(value(row, 'hr')) * HOUR_MS;
  const rides = new Map(rows.map((row) => [hourOf(row), Number(value(row, 'cnt'))]));
  const feature = (row: readonly string[], name: string): number => {
    const lag = /^lag(\d+)$/.exec(name);
    if (lag === null) return Number(value(row, name));
    return rides.get(hourOf(row) - Number(lag[1]) * HOUR_MS) ?? NaN;
  };
  const part = (isTest: boolean): BikeHours['train'] => {
    const own = rows.filter((row) => value(row, 'dteday') >= TEST_FROM === isTest);
    return {
      X: { rows: own.length, columns: features.map((name) => Float32Array.from(own, (row) => feature(row, name))) },
      y: Float64Array.from(own, (row) => Number(value(row, 'cnt'))),
    };
  };
  return { train: part(false), test: part(true) };
}
