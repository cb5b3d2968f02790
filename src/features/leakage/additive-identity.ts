import { findRows } from '../../table/find-rows.js';
import { Pace } from '../../table/pace.js';
import { sortNumbers } from '../../table/sort-paced.js';
import { countBelow, countUpTo } from './count-sorted.js';
import type { LeakFinding, NumberFeature } from './leak-report.js';
import { plural } from '../../model/plural.js';

/** Rows that have to agree, and among rows with an unusual target (see `isUnusual`). */
const EXACT_SHARE = 0.999;
const EXACT_UNUSUAL_SHARE = 0.99;
/** Part of the rows that must have all columns of an identity. */
const MIN_PRESENT_SHARE = 0.1;
/** Beyond this many columns, subsets of three take longer than a few seconds. */
export const MAX_COLUMNS_FOR_TRIPLES = 400;
const MAX_FINDINGS = 20;
/** Part of a row's target by which a sum may miss it: decimals lose less than that when they become doubles. */
const TOLERANCE = 1e-9;
const PROBES = 8;
/** Rows compared before the event loop may get a turn. */
const BLOCK = 16_384;
/** What the look-ups in all probe rows cost, in plain operations. */
const LOOK_UPS = 32 * PROBES;

interface Term {
  readonly column: number;
  readonly sign: 1 | -1;
}

/**
 * Finds features that add up to the target: target = ±a, ±a ±b or ±a ±b ±c on at least 99.9 % of the rows where all are
 * present. `target` and the values of each feature have length n.
 *
 * The last column is not tried but looked up: in a few probe rows, the columns that hold what the others leave. So
 * subsets of three cost O(columns²) look-ups; only those that fit in a probe row are checked on all rows, and most
 * fail within a few. An identity of which one part is an identity already is not told again.
 */
export async function findAdditiveIdentities(
  targetName: string,
  target: Float64Array,
  features: readonly NumberFeature[],
  pace = new Pace(),
): Promise<LeakFinding[]> {
  const usable: NumberFeature[] = [];
  for (const feature of features) {
    if (!isConstant(feature.values)) usable.push(feature);
    await pace.after(target.length);
  }
  const scale = await typicalScale(target, pace);
  const unusual = await isUnusual(target, pace);
  const found: Term[][] = [];
  const findings: LeakFinding[] = [];
  const consider = async (terms: Term[]): Promise<void> => {
    if (findings.length >= MAX_FINDINGS || found.some((known) => known.every((term) => has(terms, term)))) return;
    const agreed = await share(target, usable, terms, scale, unusual, pace);
    if (agreed === undefined) return;
    found.push(terms);
    findings.push({
      rule: 'additive identity',
      columns: terms.map(({ column }) => usable[column]!.name),
      evidence: `${targetName} = ${formula(terms, usable)} in ${agreed.equal} of ${agreed.rows} ${plural(agreed.rows, 'row')}`,
    });
  };

  for (const term of termsAfter(-1, usable.length)) await consider([term]);
  const probes = await probeRows(target, unusual, pace);
  const index = probes.map((row) => new ValueIndex(usable, row, toleranceOf(target[row]!, scale)));
  /** Tries the terms with each that holds, in a probe row, what they leave of the target. */
  const complete = async (terms: readonly Term[]): Promise<void> => {
    const last = terms[terms.length - 1]!.column;
    for (const [probe, row] of probes.entries()) {
      let rest = target[row]!;
      for (const term of terms) rest -= valueOf(usable, term, row);
      for (const term of index[probe]!.termsWith(rest, last)) await consider([...terms, term]);
    }
  };
  for (const a of termsAfter(-1, usable.length)) {
    await complete([a]);
    await pace.after(LOOK_UPS);
  }
  if (usable.length > MAX_COLUMNS_FOR_TRIPLES) return findings;
  for (const a of termsAfter(-1, usable.length)) {
    for (const b of termsAfter(a.column, usable.length)) {
      await complete([a, b]);
      await pace.after(LOOK_UPS);
    }
  }
  return findings;
}

/** Columns by their value in one row; equal means within the tolerance. */
class ValueIndex {
  private readonly cells = new Map<number, Term[]>();

  constructor(
    private readonly features: readonly NumberFeature[],
    private readonly row: number,
    private readonly tolerance: number,
  ) {
    features.forEach(({ values }, column) => {
      for (const sign of SIGNS) {
        const cell = Math.round((sign * values[row]!) / tolerance);
        if (Number.isNaN(cell)) continue;
        const terms = this.cells.get(cell);
        if (terms === undefined) this.cells.set(cell, [{ column, sign }]);
        else terms.push({ column, sign });
      }
    });
  }

  /** Terms after column `after` whose value is `value`. */
  termsWith(value: number, after: number): readonly Term[] {
    if (Number.isNaN(value)) return [];
    const cell = Math.round(value / this.tolerance);
    const terms: Term[] = [];
    // Beyond 2^53 cells are numbered with gaps, and equal values share theirs.
    const around = Number.isSafeInteger(cell) ? 1 : 0;
    for (let step = -around; step <= around; step++)
      for (const term of this.cells.get(cell + step) ?? [])
        if (term.column > after && Math.abs(valueOf(this.features, term, this.row) - value) <= this.tolerance)
          terms.push(term);
    return terms;
  }
}

const SIGNS = [1, -1] as const;

function* termsAfter(after: number, columns: number): Generator<Term> {
  for (let column = after + 1; column < columns; column++) for (const sign of SIGNS) yield { column, sign };
}

function valueOf(features: readonly NumberFeature[], { column, sign }: Term, row: number): number {
  return sign * features[column]!.values[row]!;
}

function has(terms: readonly Term[], { column, sign }: Term): boolean {
  return terms.some((term) => term.column === column && term.sign === sign);
}

/** Rows in which the sum equals the target; undefined as soon as they are too few. */
async function share(
  target: Float64Array,
  features: readonly NumberFeature[],
  terms: readonly Term[],
  scale: number,
  unusual: Uint8Array,
  pace: Pace,
): Promise<{ equal: number; rows: number } | undefined> {
  const allowed = (1 - EXACT_SHARE) * target.length;
  let rows = 0;
  let unequal = 0;
  let unusualRows = 0;
  let unusualUnequal = 0;
  let row = 0;
  while (row < target.length) {
    const from = row;
    const to = Math.min(target.length, from + BLOCK);
    for (; row < to && unequal <= allowed; row++) {
      let rest = target[row]!;
      for (const term of terms) rest -= valueOf(features, term, row);
      if (Number.isNaN(rest)) continue;
      rows++;
      unusualRows += unusual[row]!;
      if (Math.abs(rest) <= toleranceOf(target[row]!, scale)) continue;
      unequal++;
      unusualUnequal += unusual[row]!;
    }
    await pace.after((row - from) * terms.length);
    if (unequal > allowed) return undefined;
  }
  const present = rows >= Math.max(20, MIN_PRESENT_SHARE * target.length) && unusualRows >= 5;
  const exact = unequal <= (1 - EXACT_SHARE) * rows && unusualUnequal <= (1 - EXACT_UNUSUAL_SHARE) * unusualRows;
  return present && exact ? { equal: rows - unequal, rows } : undefined;
}

/** 1 where the target is not its most frequent value: a rare event is equal to any rare flag nearly everywhere else. */
async function isUnusual(target: Float64Array, pace: Pace): Promise<Uint8Array> {
  const mode = await mostFrequent(target, pace);
  const unusual = new Uint8Array(target.length);
  for (let row = 0; row < target.length; row++) if (target[row] !== mode) unusual[row] = 1;
  await pace.after(target.length);
  return unusual;
}

/** Missing (NaN) is a value, too. Ties: the one that comes first. */
async function mostFrequent(values: Float64Array, pace: Pace): Promise<number> {
  const present = await sortNumbers(
    values.filter((value) => !Number.isNaN(value)),
    pace,
  );
  const missing = values.length - present.length;
  let most = missing;
  let run = 0;
  for (let index = 0; index < present.length; index++) {
    run = index > 0 && present[index] === present[index - 1] ? run + 1 : 1;
    if (run > most) most = run;
  }
  await pace.after(2 * values.length);
  const countOf = (value: number): number =>
    Number.isNaN(value) ? missing : countUpTo(present, value) - countBelow(present, value);
  let first = 0;
  const look = (from: number, to: number): void => {
    if (first < from) return;
    for (first = from; first < to && countOf(values[first]!) < most;) first++;
  };
  await pace.overRows(values.length, look, 16);
  return values[first] ?? NaN;
}

/** Rows with an unusual target, spread over the table. */
async function probeRows(target: Float64Array, unusual: Uint8Array, pace: Pace): Promise<number[]> {
  const rows = await findRows(target.length, (row) => unusual[row] === 1 && Number.isFinite(target[row]), pace);
  const count = Math.min(PROBES, rows.length);
  return Array.from({ length: count }, (_value, index) => rows[Math.floor(((index + 0.5) * rows.length) / count)]!);
}

function isConstant(values: Float64Array): boolean {
  let first = NaN;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    if (Number.isNaN(first)) first = value;
    else if (value !== first) return false;
  }
  return true;
}

/** A share of the row's own target, so that one huge value widens no other row; targets below `scale` count as that. */
function toleranceOf(target: number, scale: number): number {
  return TOLERANCE * Math.max(Math.abs(target), scale);
}

/** The upper median of the absolute values, zeros left out: no few values move it. 0 when there are none. */
async function typicalScale(values: Float64Array, pace: Pace): Promise<number> {
  const sizes = values.map(Math.abs).filter((size) => size > 0);
  await pace.after(2 * values.length);
  const sorted = await sortNumbers(sizes, pace);
  return sorted[sorted.length >> 1] ?? 0;
}

function formula(terms: readonly Term[], features: readonly NumberFeature[]): string {
  return terms
    .map(({ column, sign }, index) => {
      const name = features[column]!.name;
      if (index === 0) return sign === 1 ? name : `−${name}`;
      return `${sign === 1 ? '+' : '−'} ${name}`;
    })
    .join(' ');
}
