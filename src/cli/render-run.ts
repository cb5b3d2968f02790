import type { LoadSummary, TestWarning, TransformSummary } from '../contracts/elt.js';
import type { TrainingSetSummary } from '../contracts/features.js';
import type { BaselineSummary, RegisteredModel, TrainedSummary } from '../contracts/training.js';
import type { DeploymentResult } from '../contracts/deployment.js';
import type { StepRow, StepStatus } from '../storage/run-steps.js';
import { pc } from './colors.js';
import { count, duration, metric } from './format.js';
import { plural } from '../model/plural.js';

export interface StepLine {
  readonly step: string;
  readonly status: StepStatus;
  readonly line: string;
  readonly done: boolean;
  /** How many attempts failed of a step that is to be tried again. */
  readonly failures?: number;
}

/**
 * One line a step, as far as it came; steps not yet begun give none.
 *
 * @param isOver the run has ended: no step that failed is tried again
 */
export function renderSteps(steps: readonly StepRow[], isOver = true): StepLine[] {
  const [, ...more] = failedByThemselves(steps);
  return steps.flatMap((step): StepLine[] => {
    if (!isOver && isTriedAgain(step))
      return [{ step: step.step, status: step.status, line: renderRetry(step), done: false, failures: step.attempt }];
    if (step.status === 'planned' || (step.status === 'skipped' && step.reason === null)) return [];
    const done = step.status !== 'running';
    if (done && step.status !== 'failed' && isPartOfLoad(step.step)) return [];
    const note = more.includes(step) ? `\n  ${pc.yellow('!')} ${messageOf(step)}` : '';
    return [{ step: step.step, status: step.status, line: `${renderStep(step)}${note}`, done }];
  });
}

/** A fault that may pass: the step is tried again after a pause, in which its row says that it failed. */
function isTriedAgain({ status, error }: StepRow): boolean {
  return status === 'failed' && error?.['terminal'] === false;
}

function renderRetry(step: StepRow): string {
  return `${labelOf(step)} ${pc.yellow(`attempt ${step.attempt} failed, trying again:`)} ${messageIn(step).replaceAll(/\s+/g, ' ')}`;
}

/** The first to fail comes first: its error is the run's, and is shown with all that it says. */
function failedByThemselves(steps: readonly StepRow[]): StepRow[] {
  const ended = ({ ended_at: at }: StepRow): number => (at === null ? Infinity : Date.parse(iso(at)));
  return steps.filter(({ status, error }) => status === 'failed' && error !== null).sort((a, b) => ended(a) - ended(b));
}

function messageOf({ step, error }: StepRow): string {
  const [, ...rest] = step.split(':');
  return `${rest.join(':').split('#')[0]!}: ${messageIn({ error })}`;
}

function messageIn({ error }: Pick<StepRow, 'error'>): string {
  return (error as { message?: string }).message ?? 'failed';
}

function isPartOfLoad(step: string): boolean {
  return step.startsWith('extract:') || (step.startsWith('load:') && step.includes('#'));
}

function labelOf({ step }: Pick<StepRow, 'step'>): string {
  const [kind = '', ...rest] = step.split(':');
  return `  ${(VERB[kind] ?? kind).padEnd(10)} ${rest.join(':').split('#')[0]!.padEnd(19)}`;
}

function renderStep(step: StepRow): string {
  const [kind = ''] = step.step.split(':');
  const label = labelOf(step);
  if (step.status === 'skipped') return `${label} ${pc.dim(`skipped: ${step.reason}`)}`;
  if (step.status === 'running') return `${label} ${pc.dim(`… ${progressText(step.progress)}`)}`;
  const time =
    step.started_at !== null && step.ended_at !== null
      ? Date.parse(iso(step.ended_at)) - Date.parse(iso(step.started_at))
      : 0;
  if (step.status === 'failed') return `${label} ${failure(step)} ${duration(time).padStart(8)}`;
  const note = step.status === 'reused' ? pc.dim(`  reused: ${step.reason ?? ''}`) : '';
  const notes = step.status === 'reused' ? [] : notesOf(kind, step);
  const line = `${label} ${outcome(kind, step).padEnd(44)} ${duration(time).padStart(8)}${note}`;
  return [line, ...notes.map((text) => `  ${pc.yellow('!')} ${text}`)].join('\n');
}

/** A step without an error of its own was under way when the run ended for another reason. */
function failure({ error }: StepRow): string {
  return (error === null ? pc.dim : pc.red)((error === null ? 'stopped' : 'failed').padEnd(44));
}

/** What a step did that its line does not tell. */
function notesOf(kind: string, { result }: StepRow): readonly string[] {
  if (kind === 'transform') return warningsOf(result as unknown as TransformSummary);
  if (kind === 'load') return notesOfLoad(result as unknown as LoadSummary);
  if (kind !== 'features') return [];
  const { set, notChecked = [], warnings = [] } = result as unknown as TrainingSetSummary;
  return [...warnings.map(warningOf), ...notChecked.map((line) => `${set}: not checked for leaks: ${line}`)];
}

function notesOfLoad(load: LoadSummary): readonly string[] {
  const { resource, rowsRejected, objects, extract, notices: given = [] } = load;
  const { field, rowsWithout = 0 } = extract?.cursor ?? {};
  const { inventory } = load;
  const gone = inventory === undefined || inventory.missing === 0 ? [] : [`${resource}: the server does not have ${count(inventory.missing)} of ${count(inventory.expected)} ${plural(inventory.expected, 'object')}, such as ${inventory.firstMissing.join(', ')}`]; // prettier-ignore
  const notices =
    rowsWithout === 0
      ? [...gone, ...given]
      : [
          ...given,
          `${resource}: ${count(rowsWithout)} ${plural(rowsWithout, 'row has', 'rows have')} no ${field}; ${plural(rowsWithout, 'it is', 'they are')} loaded`,
        ];
  if (rowsRejected === 0) return notices;
  const which = objects.length === 1 ? `--load ${objects[0]!.loadId}` : `--resource ${resource}`;
  return [...notices, `${resource}: see the rejected rows with \`plumbline rejects list ${which}\``];
}

function warningsOf({ warnings = [], stale = [] }: TransformSummary): string[] {
  return [...stale.map((message) => `warning: ${message}`), ...warnings.map(warningOf)];
}

/** In a column: as wide for one. */
function rowsOf(rows: number): string {
  return `${count(rows).padStart(9)} ${plural(rows, 'row').padEnd(4)}`;
}

function warningOf({ test, failures, at }: TestWarning): string {
  return `warning: ${test} failed on ${count(failures)} (${at.file}:${at.line})`;
}

/** `+ 412 lines, 90 tags`, by what their tables are called behind the resource's. */
function childRows({ table: own, children = [] }: LoadSummary): string {
  const shown = children.map(({ table, rows }) => {
    const name = table.startsWith(`${own}_`) ? table.slice(own.length + 1) : table.slice(table.indexOf('.') + 1);
    return `${count(rows)} ${name}`;
  });
  return shown.length === 0 ? '' : `   + ${shown.join(', ')}`;
}

const VERB: Readonly<Record<string, string>> = { register: 'gates', baselines: 'baselines' };

function outcome(kind: string, step: StepRow): string {
  const result = step.result as unknown;
  switch (kind) {
    case 'load': {
      const load = result as LoadSummary;
      const duplicates = load.rowsDuplicate > 0 ? `   ${count(load.rowsDuplicate)} duplicate` : '';
      const outside = load.rowsOutside === undefined ? '' : `   ${count(load.rowsOutside)} outside`;
      return `${rowsOf(load.tableRows)}   ${count(load.rowsRejected)} rejected${duplicates}${outside}${childRows(load)}${asked(load)}`;
    }
    case 'transform': {
      const built = result as TransformSummary;
      const warned = built.warnings === undefined ? '' : `, ${built.warnings.length} warned`;
      const added = built.incrementRows === undefined ? '' : `   ${count(built.incrementRows)} new or changed`;
      return `${rowsOf(built.rows)}   ${built.testsPassed} ${plural(built.testsPassed, 'test')} passed${warned}${added}`;
    }
    case 'features': {
      const { trainingSet, leakCheck } = result as TrainingSetSummary;
      return `${count(trainingSet.trainRows)} + ${count(trainingSet.testRows)} ${plural(trainingSet.testRows, 'row')} × ${trainingSet.features.length}   ${leakCheck}`;
    }
    case 'baselines':
      return (result as BaselineSummary[]).map((one) => `${one.name} ${metrics(one.metrics, 1)}`).join('   ');
    case 'train': {
      const trained = result as TrainedSummary;
      return `${metrics(trained.metrics, 2)}   parity ${trained.parity.maxDelta === 0 ? 'exact' : trained.parity.maxDelta.toExponential(0)}`;
    }
    case 'register': {
      const registered = result as RegisteredModel;
      const failed = registered.gates.filter((gate) => !gate.passed);
      const verdict =
        failed.length === 0
          ? registered.gates.map((gate) => gate.reason).join(' · ')
          : `not good enough: ${failed.map((gate) => gate.reason).join(' · ')}`;
      return `${registered.model} v${registered.version}   ${verdict}`;
    }
    case 'deploy': {
      const deployed = result as DeploymentResult;
      return `${deployed.model} v${deployed.version}   ${deployed.status.replaceAll('_', ' ')}`;
    }
    default:
      return '';
  }
}

/** What came of an inventory, or of the pages of an API: `   12 pages   3 late`. */
function asked({ extract, inventory }: LoadSummary): string {
  if (inventory !== undefined) {
    const { fetched, missing } = inventory;
    return `   ${count(fetched)} fetched${missing === 0 ? '' : `   ${count(missing)} missing`}`;
  }
  if (extract === undefined) return '';
  const late = extract.cursor?.rowsLate ?? 0;
  const { pages, parents } = extract;
  const missing = parents === undefined || parents.missing === 0 ? '' : `   ${count(parents.missing)} of ${count(parents.asked)} missing`; // prettier-ignore
  const paged = pages === undefined ? '' : `   ${count(pages)} ${pages === 1 ? 'page' : 'pages'}`;
  return `${paged}${missing}${late === 0 ? '' : `   ${count(late)} late`}`;
}

/** What people look at first; a jsonb column does not keep an order of its own. */
const METRIC_ORDER = ['rmse', 'mae', 'r2', 'rocAuc', 'logLoss'];

/** The `most` leading metrics: `rmse 94.6   mae 60.1`. */
export function metrics(values: Readonly<Record<string, number>>, most: number): string {
  const rank = (name: string): number =>
    (METRIC_ORDER.indexOf(name) + METRIC_ORDER.length + 1) % (METRIC_ORDER.length + 1);
  return Object.entries(values)
    .sort(([a], [b]) => rank(a) - rank(b))
    .slice(0, most)
    .map(([name, value]) => `${name} ${metric(value)}`)
    .join('   ');
}

function progressText(progress: StepRow['progress']): string {
  if (progress === null) return '';
  return Object.entries(progress)
    .filter(([, value]) => typeof value === 'number' || typeof value === 'string')
    .map(([name, value]) => (typeof value === 'number' ? `${count(value)} ${name}` : `${name} ${String(value)}`))
    .join('   ');
}

// PostgreSQL prints `2026-11-23 05:30:00.123+00`.
export function iso(timestamp: string): string {
  return timestamp.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00');
}
