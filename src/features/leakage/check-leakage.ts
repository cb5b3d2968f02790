import { TerminalError } from '../../errors.js';
import { SPLIT_COLUMN, type TrainingSet } from '../../model/training-set.js';
import type { Column, ColumnTable } from '../../table/column-table.js';
import { findRows } from '../../table/find-rows.js';
import { Pace } from '../../table/pace.js';
import { findAdditiveIdentities, MAX_COLUMNS_FOR_TRIPLES } from './additive-identity.js';
import { heldOutScore, rankCorrelation, sameOrder } from './held-out-score.js';
import { chooseScoredRows } from './scored-rows.js';
import type { LeakFinding, LeakReport, NumberFeature } from './leak-report.js';
import { fitLinearIdentity } from './linear-identity.js';
import { ownPast } from './own-past.js';
import { predictFromColumn } from './single-predictor.js';

/** Held-out R² or AUC of one column alone from which on it is the target in disguise. */
const SINGLE_SCORE = 0.98;
const LINEAR_R_SQUARED = 0.9999;
const RANK_CORRELATION = 0.9999;

export interface LeakCheckOptions {
  /** The training set's own Parquet file, read whole. */
  readonly table: ColumnTable;
  readonly trainingSet: TrainingSet;
  /** Columns that somebody looked at and vouches for; they are left out of every rule. */
  readonly accepted?: ReadonlySet<string>;
  /** Feature view → its file, for the error. */
  readonly files?: ReadonlyMap<string, string>;
  readonly signal?: AbortSignal;
}

/**
 * `findLeakage`; rejects with FEATURES_LEAK (a retry does not help) with every column and its evidence when it finds something.
 */
export async function checkLeakage(options: LeakCheckOptions): Promise<LeakReport> {
  const { trainingSet, files } = options;
  const report = await findLeakage(options);
  if (report.passed) return report;
  const columns = [...new Set(report.findings.flatMap((finding) => finding.columns))];
  const views = [...new Set(trainingSet.features.filter(({ name }) => columns.includes(name)).map(({ view }) => view))];
  const file = files?.get(views[0] ?? '');
  throw new TerminalError(
    'FEATURES_LEAK',
    `Feature ${columns.length === 1 ? 'column' : 'columns'} ${columns.join(', ')} would leak the target: ` +
      `${report.findings.map(({ evidence }) => evidence).join('; ')}.`,
    {
      details: { columns, views, findings: report.findings },
      ...(file === undefined ? {} : { at: { file } }),
      next:
        `Remove ${columns.length === 1 ? 'it' : 'them'} from ${views.map((view) => `feature view ${view}`).join(' and ')}, or use earlier values; ` +
        `accept what is known in time with \`-- leak_accepted: { ${asKey(columns[0]!)}: the reason }\`.`,
    },
  );
}

/** A name as a key of YAML. */
function asKey(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
}

/**
 * Looks for the target in disguise: (1) one to three features that add up to it, (2) a linear combination with a held-out
 * R² ≥ 0.9999, (3) one feature that alone reaches a held-out R² or AUC ≥ 0.98 or has the target's order. Held out are
 * the test rows, or the latest rows of all where those are too few (`chooseScoredRows`). A feature that is not clearly
 * better than the target's own past, as known at the cut-off, passes 2 and 3: in a slow series everything that follows
 * it predicts well. Columns not known at the cut-off are refused earlier, by `buildTrainingSet`.
 *
 * A rule that cannot be computed finds nothing, and `notChecked` says so.
 *
 * All rows are looked at, in blocks with turns for the event loop between them. Rejects with the signal's reason when aborted.
 */
export async function findLeakage(options: LeakCheckOptions): Promise<LeakReport> {
  const { table, trainingSet, accepted = new Set() } = options;
  const pace = new Pace(options.signal);
  const target = numbers(table, trainingSet.target);
  const split = columnOf(table, SPLIT_COLUMN).values;
  const train = await findRows(table.rowCount, (row) => split[row] !== 'test', pace);
  const test = await findRows(table.rowCount, (row) => split[row] === 'test', pace);
  const features = trainingSet.features
    .filter(({ name }) => !accepted.has(name))
    .map(({ name }) => ({ name, column: columnOf(table, name) }));
  const numeric = features.flatMap(({ name, column }): NumberFeature[] =>
    column.kind === 'text' ? [] : [{ name, values: column.values }],
  );
  const { task } = trainingSet;
  const times = columnOf(table, trainingSet.labelTime).values as Float64Array;
  const rows = await chooseScoredRows(task, target, times, { train, test }, pace);
  const checks = [`${features.length} columns, ${train.length} train and ${test.length} test rows`];
  if (rows !== undefined && rows.scored !== test) checks.push(`scored on the latest ${rows.scored.length} rows`);
  if (accepted.size > 0) checks.push(`accepted without a check: ${[...accepted].join(', ')}`);
  const notChecked: string[] = [];
  if (rows === undefined) {
    const [rules, few] =
      task === 'binary' ? ['single columns', 'rows of one class'] : ['single columns, linear combinations', 'rows'];
    notChecked.push(`${rules}: too few ${few} to learn from earlier and score later ones`);
  }
  if (numeric.length > MAX_COLUMNS_FOR_TRIPLES)
    notChecked.push(`sums of three columns: ${numeric.length} numeric columns, at most ${MAX_COLUMNS_FOR_TRIPLES}`);

  const past = await ownPast(table, trainingSet, target, pace);
  const score = async (predictions: Float64Array, on = rows?.scored): Promise<number> =>
    on === undefined ? NaN : heldOutScore(task, target, predictions, on, pace);
  const pastScore = await score(past);
  // NaN, the past not computable, makes nothing pass.
  const explainedByPast = (value: number, ofPast: number): boolean => 1 - value >= 0.5 * (1 - ofPast);

  const identities = await findAdditiveIdentities(trainingSet.target, target, numeric, pace);
  const inIdentity = new Set(identities.flatMap(({ columns }) => columns));
  const findings: LeakFinding[] = [...identities];

  for (const { name, column } of features) {
    if (inIdentity.has(name)) continue;
    const evidence = await singleEvidence(name, column);
    if (evidence !== undefined) findings.push({ rule: 'near-perfect predictor', columns: [name], evidence });
  }
  if (task === 'regression') findings.push(...(await linearFinding()));
  return { passed: findings.length === 0, findings, checks, notChecked };

  async function singleEvidence(name: string, column: Column): Promise<string | undefined> {
    const value = await singleScore(column);
    if (value >= SINGLE_SCORE && !explainedByPast(value, pastScore))
      return `${name} alone predicts ${trainingSet.target} with a held-out ${task === 'regression' ? 'R²' : 'AUC'} of ${value.toFixed(4)}`;
    if (column.kind === 'text' || task !== 'regression') return undefined;
    if (!(await sameOrder(column.values, target, RANK_CORRELATION, pace))) return undefined;
    const order = await rankCorrelation(column.values, target, pace);
    if (explainedByPast(order, await rankCorrelation(past, target, pace))) return undefined;
    // What only counts time upwards has the order of anything that grows.
    if (await sameOrder(column.values, times, RANK_CORRELATION, pace)) return undefined;
    return `${name} has the same order as ${trainingSet.target} (rank correlation ${order.toFixed(5)})`;
  }

  async function singleScore(column: Column): Promise<number> {
    if (rows === undefined) return NaN;
    const learned = await score(await predictFromColumn(column, target, rows.fit, pace));
    if (column.kind === 'text' || task === 'regression') return learned;
    // Bins are too coarse for a rare class. The column's own order counts when it holds earlier as well as later.
    let best = learned;
    for (const missing of [-Infinity, Infinity]) {
      const filled = column.values.map((value) => (Number.isNaN(value) ? missing : value));
      best = Math.max(best, Math.min(await score(filled), await score(filled, rows.fit)));
    }
    return best;
  }

  async function linearFinding(): Promise<LeakFinding[]> {
    if (rows === undefined) return [];
    const named = new Set(findings.flatMap(({ columns }) => columns));
    const rest = numeric.filter(({ name }) => !named.has(name));
    const enough = async (predictions: Float64Array): Promise<boolean> => {
      const value = await score(predictions);
      return value >= LINEAR_R_SQUARED && !explainedByPast(value, pastScore);
    };
    const fit = await fitLinearIdentity(target, rest, rows.fit, enough, pace);
    if (fit === 'too few rows')
      notChecked.push(`linear combinations: ${rows.fit.length} rows for ${rest.length} numeric columns`);
    if (fit === undefined || fit === 'too few rows') return [];
    return [
      {
        rule: 'linear identity',
        columns: fit.columns,
        evidence: `${trainingSet.target} is a linear combination of ${fit.columns.join(', ')} with a held-out R² of ${(await score(fit.predictions)).toFixed(6)}`,
      },
    ];
  }
}

function columnOf(table: ColumnTable, name: string): Column {
  const column = table.columns.get(name);
  if (column === undefined) throw new RangeError(`the training set has no column ${name}`);
  return column;
}

function numbers(table: ColumnTable, name: string): Float64Array {
  const column = columnOf(table, name);
  if (column.kind === 'text') throw new RangeError(`column ${name} is text, expected numbers`);
  return column.values;
}
