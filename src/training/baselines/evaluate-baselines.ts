import type { BaselineConfig } from '../../model/project.js';
import type { Task, TrainingSet } from '../../model/training-set.js';
import type { ColumnTable } from '../../table/column-table.js';
import { findRows } from '../../table/find-rows.js';
import { Pace } from '../../table/pace.js';
import { sortNumbers } from '../../table/sort-paced.js';
import { evaluateMetrics } from '../metrics/evaluate-metrics.js';
import { splitRows } from '../training-rows.js';
import { seasonalNaive } from './seasonal-naive.js';
import { plural } from '../../model/plural.js';

export interface BaselineResult {
  readonly name: string;
  /** On the `rows` held-out rows; empty when the baseline could not be computed. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Held-out rows it was measured on; fewer than all of them where a lag is missing. */
  readonly rows: number;
  readonly note: string;
}

/**
 * What a model must beat, measured on the held-out rows. `seasonal_naive` gives two results when lags are missing: on the
 * rows that have one, and on all rows with the training mean in the gaps. Rejects as `splitRows` throws, and with the
 * signal's reason when aborted.
 */
export async function evaluateBaselines(options: {
  readonly trainingSet: TrainingSet;
  readonly table: ColumnTable;
  readonly baselines: readonly BaselineConfig[];
  readonly signal?: AbortSignal;
}): Promise<BaselineResult[]> {
  const { trainingSet, table } = options;
  const { train, test } = splitRows(trainingSet, table);
  const pace = new Pace(options.signal);
  const results: BaselineResult[] = [];
  for (const baseline of options.baselines) {
    if (baseline.type === 'seasonal_naive') {
      const lags = await seasonalNaive(trainingSet, table, test.rows, baseline.periodMs, pace);
      results.push(...(await seasonalBaselines(baseline.periodMs, trainingSet, train.y, test.y, lags, pace)));
    } else {
      results.push(await constantBaseline(baseline.type, trainingSet.task, train.y, test.y, pace));
    }
  }
  return results;
}

async function constantBaseline(
  type: 'mean' | 'majority',
  task: Task,
  trainTargets: Float64Array,
  y: Float64Array,
  pace: Pace,
): Promise<BaselineResult> {
  const value = type === 'mean' ? meanOf(trainTargets) : await mostFrequent(trainTargets, pace);
  const what = type === 'mean' ? 'mean' : 'most frequent value';
  const metrics = await evaluateMetrics(task, y, new Float64Array(y.length).fill(value), pace);
  return { name: type, metrics, rows: y.length, note: `always the training rows' ${what}, ${shortNumber(value)}` };
}

async function seasonalBaselines(
  periodMs: number,
  { task, horizonMs }: TrainingSet,
  trainTargets: Float64Array,
  y: Float64Array,
  lags: Float64Array,
  pace: Pace,
): Promise<BaselineResult[]> {
  const period = shortDuration(periodMs);
  const name = `seasonal_naive_${period}`;
  if (!(periodMs > 0 && periodMs >= horizonMs)) {
    const reason = `its period is shorter than the horizon of ${shortDuration(horizonMs)}, so it would know the future`;
    return [{ name, metrics: {}, rows: 0, note: `not computed: ${reason}` }];
  }
  const known = await findRows(lags.length, (index) => !Number.isNaN(lags[index]), pace);
  const missing = lags.length - known.length;
  if (known.length === 0) return [{ name, metrics: {}, rows: 0, note: `not computed: no target ${period} earlier` }];
  const mean = meanOf(trainTargets);
  await pace.after(trainTargets.length);
  const filled = await evaluateMetrics(
    task,
    y,
    lags.map((lag) => (Number.isNaN(lag) ? mean : lag)),
    pace,
  );
  if (missing === 0) return [{ name, metrics: filled, rows: y.length, note: `the target ${period} earlier` }];
  const pick = (values: Float64Array): Float64Array =>
    new Float64Array(known.length).map((_value, index) => values[known[index]!]!);
  return [
    {
      name: `${name}_where_known`,
      metrics: await evaluateMetrics(task, pick(y), pick(lags), pace),
      rows: known.length,
      note: `the target ${period} earlier; without the ${missing} ${plural(missing, 'row that has', 'rows that have')} none`,
    },
    {
      name,
      metrics: filled,
      rows: y.length,
      note: `the target ${period} earlier; the training rows' mean in the ${missing} ${plural(missing, 'row that has', 'rows that have')} none`,
    },
  ];
}

function meanOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Ties: the smallest. */
async function mostFrequent(values: Float64Array, pace: Pace): Promise<number> {
  const sorted = await sortNumbers(values.slice(), pace);
  let mode = NaN;
  let most = 0;
  let run = 0;
  for (let index = 0; index < sorted.length; index++) {
    run = sorted[index] === sorted[index - 1] ? run + 1 : 1;
    if (run <= most) continue;
    mode = sorted[index]!;
    most = run;
  }
  await pace.after(sorted.length);
  return mode;
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** 604,800,000 → `7d`; the largest unit that divides it. */
function shortDuration(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const;
  const unit = units.find(([, size]) => ms % size === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit[1]}${unit[0]}`;
}
