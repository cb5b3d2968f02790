import type { GateConfig } from '../../model/project.js';
import type { Task } from '../../model/training-set.js';
import { defaultMetric, findMetric, type Metric } from '../metrics/metric-list.js';
import { MIN_ROWS } from '../training-rows.js';
import { plural } from '../../model/plural.js';

export interface GateResult {
  /** As a person reads it: `rmse better than baseline by 20 %`. */
  readonly gate: string;
  readonly passed: boolean;
  /** The model's metric; absent when the gate is not computable. */
  readonly value?: number;
  /** What it was compared with. */
  readonly reference?: number;
  readonly reason: string;
}

/** Champion and challenger on the same rows, which are later than the champion's last training label. */
export interface ChampionComparison {
  /** As people name it, e.g. `v3`. */
  readonly version: string;
  readonly rows: number;
  readonly championMetrics: Readonly<Record<string, number>>;
  readonly challengerMetrics: Readonly<Record<string, number>>;
  /** Why the two could not be compared, e.g. features that cannot be rebuilt. */
  readonly notComputable?: string;
}

export interface GateInput {
  readonly gates: readonly GateConfig[];
  readonly task: Task;
  /** The model's, on the held-out rows. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly baselines: readonly {
    readonly name: string;
    readonly metrics: Readonly<Record<string, number>>;
    readonly rows: number;
  }[];
  /** How many there are: only a baseline measured on all of them is compared. */
  readonly heldOutRows: number;
  /** Undefined when no version has been promoted yet. */
  readonly champion?: ChampionComparison | undefined;
}

/**
 * Each gate with the numbers that decide it. Better is strictly better, and by at least `by` × |reference| when asked.
 * Without a champion its gate passes; a gate that cannot be computed fails.
 */
export function evaluateGates(input: GateInput): GateResult[] {
  return input.gates.map((gate): GateResult => {
    const share = gate.by === 0 ? '' : ` by ${Number((gate.by * 100).toPrecision(6))} %`;
    const metric = gate.metric === 'default' ? defaultMetric(input.task) : findMetric(gate.metric);
    const name = `${gate.metric === 'default' ? metric?.name : gate.metric} better than ${gate.betterThan}${share}`;
    const fail = (reason: string): GateResult => ({ gate: name, passed: false, reason: `not computable: ${reason}` });
    if (metric === undefined) return fail(`there is no metric "${gate.metric}"`);
    if (metric.task !== input.task)
      return fail(`${metric.name} is a metric of ${metric.task} targets, this one is ${input.task}`);
    if (gate.betterThan === 'champion' && input.champion === undefined) {
      return { gate: name, passed: true, reason: 'no champion yet' };
    }
    const pair = gate.betterThan === 'champion' ? championPair(metric, input.champion!) : baselinePair(metric, input);
    if (typeof pair === 'string') return fail(pair);
    return { gate: name, ...decide(metric, pair, gate.by) };
  });
}

interface Pair {
  readonly value: number;
  readonly reference: number;
  readonly than: string;
}

function championPair(metric: Metric, champion: ChampionComparison): Pair | string {
  if (champion.notComputable !== undefined)
    return `${champion.notComputable}; if it is the better one all the same, promote it by hand`;
  if (champion.rows < MIN_ROWS) {
    return `${champion.rows} ${plural(champion.rows, 'row is', 'rows are')} later than the last training label of ${champion.version}, expected at least ${MIN_ROWS}`;
  }
  const value = champion.challengerMetrics[metric.name];
  const reference = champion.championMetrics[metric.name];
  if (!isNumber(value) || !isNumber(reference))
    return `${metric.name} is undefined on the ${champion.rows} ${plural(champion.rows, 'row')} compared`;
  return { value, reference, than: `${champion.version} on ${champion.rows} ${plural(champion.rows, 'row')}` };
}

/** The strongest baseline that was measured on the same rows as the model. */
function baselinePair(metric: Metric, input: GateInput): Pair | string {
  const value = input.metrics[metric.name];
  if (!isNumber(value)) return `${metric.name} is undefined on the held-out rows`;
  let best: Pair | undefined;
  for (const baseline of input.baselines) {
    const reference = baseline.metrics[metric.name];
    if (baseline.rows !== input.heldOutRows || !isNumber(reference)) continue;
    if (best === undefined || isBetter(metric, reference, best.reference))
      best = { value, reference, than: baseline.name };
  }
  return best ?? `no baseline has ${metric.name} on all ${input.heldOutRows} held-out rows`;
}

function decide(metric: Metric, { value, reference, than }: Pair, by: number): Omit<GateResult, 'gate'> {
  const margin = by * Math.abs(reference);
  const bound = metric.better === 'lower' ? reference - margin : reference + margin;
  const passed = isBetter(metric, value, reference) && !isBetter(metric, bound, value);
  const reason =
    `${metric.name} ${shortNumber(value)} against ${shortNumber(reference)} of ${than}` +
    (by === 0 ? '' : `; needed ${metric.better === 'lower' ? 'at most' : 'at least'} ${shortNumber(bound)}`);
  return { passed, value, reference, reason };
}

function isBetter(metric: Metric, a: number, b: number): boolean {
  return metric.better === 'lower' ? a < b : a > b;
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value);
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}
