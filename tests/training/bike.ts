import { readFileSync } from 'node:fs';
import { SPLIT_COLUMN, type TrainingSet } from '../../src/model/training-set.js';
import type { Column, ColumnTable } from '../../src/table/column-table.js';

const HOUR = 3_600_000;
const WEATHER = ['weathersit', 'temp', 'atemp', 'hum', 'windspeed'];
const CALENDAR = ['season', 'yr', 'mnth', 'hr', 'holiday', 'weekday', 'workingday'];
const LAGS = ['lag_24h', 'lag_168h'];

/** examples/bike-demand: the hourly count with calendar, the count 24 and 168 hours before, and optionally weather. */
export function bikeTrainingSet(options: { readonly weather: boolean }): {
  trainingSet: TrainingSet;
  table: ColumnTable;
} {
  const csv = readFileSync(new URL('../../examples/bike-demand/data/hour.csv', import.meta.url), 'utf8');
  const [header = '', ...lines] = csv.trim().split(/\r?\n/);
  const names = header.split(',');
  const cells = lines.map((line) => line.split(','));
  const column = (name: string): Float64Array => Float64Array.from(cells, (row) => Number(row[names.indexOf(name)]));
  const hour = column('hr');
  const at = Float64Array.from(cells, (row, index) => Date.parse(`${row[1]}T00:00:00Z`) + hour[index]! * HOUR);
  const count = column('cnt');
  const countAt = new Map(Array.from(at, (time, row) => [time, count[row]!]));
  const lag = (hours: number): Float64Array => at.map((time) => countAt.get(time - hours * HOUR) ?? NaN);
  const testFrom = Date.parse('2012-10-01T00:00:00Z');
  const features = [...CALENDAR, ...LAGS, ...(options.weather ? WEATHER : [])];
  const columns = new Map<string, Column>([
    ['hour_at', { kind: 'time', values: at }],
    ['rides', { kind: 'number', values: count }],
    [SPLIT_COLUMN, { kind: 'text', values: Array.from(at, (time) => (time < testFrom ? 'train' : 'test')) }],
    ['lag_24h', { kind: 'number', values: lag(24) }],
    ['lag_168h', { kind: 'number', values: lag(168) }],
    ...[...CALENDAR, ...WEATHER].map((name): [string, Column] => [name, { kind: 'number', values: column(name) }]),
  ]);
  const testRows = at.filter((time) => time >= testFrom).length;
  const trainingSet: TrainingSet = {
    artifact: { sha256: '0'.repeat(64), bytes: 0 },
    rows: at.length,
    trainRows: at.length - testRows,
    testRows,
    task: 'regression',
    entity: ['hour_at'],
    labelTime: 'hour_at',
    target: 'rides',
    horizonMs: 24 * HOUR,
    testFrom: '2012-10-01',
    features: features.map((name) => ({ name, view: 'bike', kind: 'number', nullShare: 0 })),
    assumptions: [],
    inputs: {},
  };
  return { trainingSet, table: { rowCount: at.length, columns } };
}
