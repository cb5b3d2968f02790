import type { ColumnType } from '../../model/project.js';
import { isValid } from './type-rules.js';

/** How many values of a column fall into each class; every value is in exactly one. */
export type ClassCounts = Readonly<Record<ValueClass, number>>;

/** By number. */
export const CLASSES = [
  'missing',
  'integer', // at most 15 digits: exact as a double too
  'long_integer', // fits bigint, not a double
  'huge_integer',
  'decimal', // at most 15 significant digits: a double gives the same digits back
  'long_decimal',
  'exponent',
  'not_finite',
  'code', // leading zeros or a plus sign: 007, +49…
  'boolean',
  'date',
  'timestamp',
  'timestamptz',
  'time',
  'other',
] as const;
export type ValueClass = (typeof CLASSES)[number];

/** A DuckDB expression that gives the class of one text value as a small number; the first character picks the few patterns to try. */
export function classOf(text: string): string {
  const match = (pattern: string): string => `regexp_full_match(${text}, ' *${pattern} *')`;
  const exponent: Rule = ['exponent', match('[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)[eE][+-]?[0-9]+')];
  const times: readonly Rule[] = [
    ['date', isValid('date', text)],
    ['timestamp', isValid('timestamp', text)],
    ['timestamptz', isValid('timestamptz', text)],
    // 1.5e-7 has its hyphen where dates have their first.
    exponent,
  ];
  const numbers: readonly Rule[] = [
    ['integer', match('-?(0|[1-9][0-9]{0,14})')],
    ['decimal', `length(trim(${text}, ' -')) <= 16 AND ${match('-?(0|[1-9][0-9]*)?[.][0-9]+')}`],
    ['long_integer', `${match('-?[1-9][0-9]{15,18}')} AND ${isValid('bigint', text)}`],
    ['huge_integer', match('-?[1-9][0-9]{18,}')],
    ['long_decimal', match('-?(0|[1-9][0-9]*)?[.][0-9]+')],
    ['code', match('[+]?[0-9]+')],
    exponent,
    ['time', isValid('time', text)],
  ];
  const words: readonly Rule[] = [
    ['boolean', `regexp_full_match(${text}, ' *(true|false) *', 'i')`],
    ['not_finite', `regexp_full_match(${text}, ' *(nan|[+-]?inf(inity)?) *', 'i')`],
  ];
  const first = `ascii(${text})`;
  return `CASE WHEN ${text} IS NULL THEN ${CLASSES.indexOf('missing')}
    WHEN ${first} BETWEEN 48 AND 57 AND substr(${text}, 5, 1) = '-' THEN ${choose(times)}
    WHEN ${first} BETWEEN 48 AND 57 OR ${first} IN (43, 45, 46) THEN ${choose([...numbers, ...words])}
    WHEN ${first} IN (${[...'tfniTFNI'].map((letter) => letter.charCodeAt(0)).join(', ')}) THEN ${choose(words)}
    WHEN ${first} = 32 THEN ${choose([...numbers, ...words, ...times])}
    ELSE ${CLASSES.indexOf('other')} END`;
}

type Rule = readonly [ValueClass, string];

function choose(rules: readonly Rule[]): string {
  const whens = rules.map(([name, condition]) => `WHEN ${condition} THEN ${CLASSES.indexOf(name)}`);
  return `(CASE ${whens.join(' ')} ELSE ${CLASSES.indexOf('other')} END)`;
}

// Each look at a column is some thirty patterns with their intermediate results, about 3 MB: a wide table would not fit.
const MAX_SIDE_BY_SIDE = 24;

/**
 * A query that gives one bit mask of classes for each of the named text columns of `relation`: one row of them, or, of many columns, rows of
 * (position, mask), which leave out nothing but what has no rows at all.
 */
export function classesQuery(columns: readonly string[], relation: string): string {
  return overColumns(columns, relation, (value) => `bit_or(1 << ${value})`);
}

/** The same with a list of counts a column; three times the work, so for columns of mixed classes only. */
export function classCountsQuery(columns: readonly string[], relation: string): string {
  return overColumns(
    columns,
    relation,
    (value) => `[${CLASSES.map((_, number) => `count(*) FILTER (${value} = ${number})`).join(', ')}]`,
  );
}

/** What `classesQuery` or `classCountsQuery` gave, in the order of its columns. */
export function readOverColumns(columns: number, rows: readonly (readonly unknown[])[]): unknown[] {
  if (columns <= MAX_SIDE_BY_SIDE) return [...(rows[0] ?? [])];
  const values = new Array<unknown>(columns).fill(null);
  for (const [position, value] of rows) values[Number(position)] = value;
  return values;
}

function overColumns(columns: readonly string[], relation: string, aggregate: (value: string) => string): string {
  if (columns.length > MAX_SIDE_BY_SIDE) {
    const values = `SELECT unnest([${columns.join(', ')}]) AS v, unnest(range(${columns.length})) AS position FROM ${relation}`;
    return `SELECT position, ${aggregate('k')} FROM (SELECT position, (${classOf('v')})::INTEGER AS k FROM (${values})) GROUP BY position`;
  }
  const classes = columns.map((column, index) => `(${classOf(column)})::INTEGER AS k${index}`);
  return `SELECT ${columns.map((_, index) => aggregate(`k${index}`)).join(', ')} FROM (SELECT ${classes.join(', ')} FROM ${relation})`;
}

export function readClassCounts(counts: readonly number[]): ClassCounts {
  return Object.fromEntries(CLASSES.map((name, index) => [name, counts[index] ?? 0])) as Record<ValueClass, number>;
}

/** The type of a column whose values are all counted; the same as by `inferFromClasses` and, where that leaves doubts, `inferType`. */
export function inferFromCounts(counts: ClassCounts, tolerance: number): Inferred {
  const mask = CLASSES.reduce((bits, name, value) => (counts[name] > 0 ? bits | (1 << value) : bits), 0);
  return inferFromClasses(mask) ?? inferType(counts, tolerance);
}

/** The type, when the classes that occur leave no doubt however often they do; undefined when counts are needed. */
export function inferFromClasses(mask: number): Inferred | undefined {
  const present = readClassCounts(CLASSES.map((_, value) => (mask >> value) & 1));
  const choice = inferType(present, 0);
  const isText = present.code > 0 || mask >> 1 === 1 << (CLASSES.indexOf('other') - 1) || mask <= 1;
  return choice.type !== 'text' || isText ? choice : undefined;
}

export interface Inferred {
  readonly type: ColumnType;
  /** Values that the type cannot hold; their rows will be quarantined. */
  readonly misfits: number;
  /** Whether there is a value at all. */
  readonly hasValues: boolean;
  /** Whether a double holds every whole number among the values. */
  readonly isSmall: boolean;
}

/**
 * The narrowest type that holds the values exactly. Misfits up to `tolerance` (a share of the values) do not widen a
 * column of numbers, dates or booleans to text; one code with a leading zero does, since a number would lose it.
 * Only missing values give text.
 */
export function inferType(counts: ClassCounts, tolerance: number): Inferred {
  const total = CLASSES.reduce((sum, name) => sum + counts[name], 0) - counts.missing;
  const numbers =
    counts.integer + counts.long_integer + counts.huge_integer + counts.decimal + counts.long_decimal + counts.exponent;
  const candidates: readonly Pick<Inferred, 'type' | 'misfits'>[] = [
    {
      type: numberType(counts),
      misfits: numbers === 0 ? total : total - numbers - (hasFraction(counts) ? counts.not_finite : 0),
    },
    { type: 'boolean', misfits: total - counts.boolean },
    { type: 'date', misfits: total - counts.date },
    // A date stands for its midnight among timestamps.
    { type: 'timestamp', misfits: counts.timestamp === 0 ? total : total - counts.timestamp - counts.date },
    { type: 'timestamptz', misfits: total - counts.timestamptz },
    { type: 'time', misfits: total - counts.time },
  ];
  const best = candidates.reduce((one, other) => (other.misfits < one.misfits ? other : one));
  const seen = { hasValues: total > 0, isSmall: counts.long_integer + counts.huge_integer === 0 };
  if (total === 0 || counts.code > 0 || best.misfits > total * tolerance) return { type: 'text', misfits: 0, ...seen };
  return { ...best, ...seen };
}

function hasFraction(counts: ClassCounts): boolean {
  return counts.decimal + counts.long_decimal + counts.exponent + counts.not_finite > 0;
}

function numberType(counts: ClassCounts): ColumnType {
  const exactOnly = counts.long_integer + counts.huge_integer + counts.long_decimal;
  if (!hasFraction(counts)) return counts.huge_integer > 0 ? 'numeric' : 'bigint';
  return exactOnly > 0 ? 'numeric' : 'double precision';
}
