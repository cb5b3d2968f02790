import { TerminalError } from '../../errors.js';
import { nearest } from '../../model/nearest.js';
import type { ColumnType } from '../../model/project.js';
import type { LoadColumn } from '../schema/column.js';
import type { Contract } from '../schema/contract.js';
import {
  classCountsQuery,
  classesQuery,
  inferFromClasses,
  inferFromCounts,
  inferType,
  readClassCounts,
  readOverColumns,
  type Inferred,
} from '../schema/infer-types.js';
import { nameColumns } from '../schema/name-columns.js';
import { keptType } from '../schema/kept-type.js';
import { widenedType } from '../schema/widened-type.js';
import type { OpenDuckDB } from './duckdb.js';
import type { RowSource } from './row-source.js';

export interface ColumnPlan {
  readonly columns: readonly LoadColumn[];
  /** Names of columns that the contract leaves out. */
  readonly unwanted: readonly string[];
  readonly notices: readonly string[];
}

export interface PlanOptions {
  readonly file: string;
  /** Types by column name, from plumbline.yaml. */
  readonly declared: Readonly<Record<string, ColumnType>>;
  /** Whether the file may lack a declared column, which other rows of the table have: it is NULL in these. @default never */
  readonly mayLack?: (name: string) => boolean;
  /** Whether it is to be told of one that it lacks. @default false */
  readonly tellsLacking?: boolean;
  /** Types of the table that the contract is about, by column name; undefined when there is none yet. */
  readonly existing: ReadonlyMap<string, ColumnType> | undefined;
  readonly contract: Contract;
  /** The table is made anew: what the file lacks is gone. */
  readonly isMadeAnew: boolean;
  /** Share of values that may be at odds with the rest of their column. */
  readonly tolerance: number;
  readonly at: { readonly file: string; readonly line: number };
}

/**
 * Names and types of a file's columns: declared, else the table's as far as the contract says, else the file's own, else
 * inferred from every value, for a table that is made anew not narrower than the published one. Throws `ELT_COLUMN_DUPLICATE`, `ELT_COLUMN_LIMIT`, `ELT_COLUMN_UNKNOWN`, `ELT_CONTRACT`; a retry does not help.
 */
export async function planColumns(duckdb: OpenDuckDB, source: RowSource, options: PlanOptions): Promise<ColumnPlan> {
  const { names, notices } = nameColumns(source.headers, options.file);
  const declared = new Map(Object.entries(options.declared));
  for (const name of declared.keys())
    if (!names.includes(name) && options.mayLack?.(name) !== true)
      throw new TerminalError(
        'ELT_COLUMN_UNKNOWN',
        `Loading ${options.file} failed: plumbline.yaml gives column ${JSON.stringify(name)} a type, but the file has no such column; it has ${names.map((known) => JSON.stringify(known)).join(', ')}.`,
        { at: options.at, details: { column: name }, next: 'Correct the name under `columns`.' },
      );
  const unwanted = unwantedColumns(names, declared, options);
  const isKept = names.map((name) => !unwanted.includes(name));
  const mayWiden = options.contract.types === 'evolve';
  const existing = (name: string): ColumnType | undefined => options.existing?.get(name);
  const known = names.map(
    (name, index) => declared.get(name) ?? (mayWiden ? undefined : existing(name)) ?? source.types[index],
  );
  const open = known.flatMap((type, index) => (type === undefined && isKept[index] === true ? [index] : []));
  const inferred = await inferColumns(duckdb, source, open, options.tolerance);
  const typeOf = (name: string, index: number): ColumnType => {
    const own = known[index] ?? inferred.get(index)!.type;
    const there = existing(name);
    if (declared.has(name) || there === undefined) return own;
    if (!mayWiden || !options.isMadeAnew) return widenedType(there, own) ?? there;
    const seen = inferred.get(index);
    return seen === undefined ? own : keptType(there, seen);
  };
  const misfits = open.flatMap((index) => {
    const { misfits: count } = inferred.get(index)!;
    const type = typeOf(names[index]!, index);
    // A text holds them.
    return count === 0 || type === 'text' ? [] : [misfitNotice(names[index]!, type, count, options.contract)];
  });
  const columns = names.flatMap((name, index) =>
    isKept[index] === true ? [{ name, header: source.headers[index]!, type: typeOf(name, index) }] : [],
  );
  const lacking = options.tellsLacking === true ? [...declared.keys()].filter((name) => !names.includes(name)) : [];
  // Once its table has the column, rows without it are nothing to tell.
  const unseen = [...(source.unseen ?? []), ...lacking].filter(
    (name) => declared.has(name) && existing(name) === undefined,
  );
  const undeclared = names.filter((name) => !declared.has(name));
  refuseMisspelt(unseen, undeclared, options);
  const absent = unseenNotice(unseen, undeclared);
  return { columns, unwanted, notices: [...notices, ...misfits, ...absent, ...(source.notices ?? [])] };
}

/** A key may be missing from all records, but not be there in other letters. Throws `ELT_COLUMN_UNKNOWN` (terminal). */
function refuseMisspelt(unseen: readonly string[], undeclared: readonly string[], options: PlanOptions): void {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_\s]/g, '');
  for (const name of unseen) {
    if (options.mayLack?.(name) === true) continue;
    const meant = undeclared.find((other) => plain(other) === plain(name));
    if (meant === undefined) continue;
    throw new TerminalError(
      'ELT_COLUMN_UNKNOWN',
      `Loading ${options.file} failed: plumbline.yaml gives column ${JSON.stringify(name)} a type, but no record has it; did you mean ${JSON.stringify(meant)}?`,
      { at: options.at, details: { column: name }, next: 'Correct the name under `columns`.' },
    );
  }
}

function unseenNotice(names: readonly string[], undeclared: readonly string[]): readonly string[] {
  if (names.length === 0) return [];
  const quoted = names.map((name) => JSON.stringify(name)).join(', ');
  const meant = [...new Set(names.flatMap((name) => nearest(name, undeclared) ?? []))];
  const hint = meant.length === 0 ? '' : ` Did you mean ${meant.map((name) => JSON.stringify(name)).join(', ')}?`;
  return [
    `There is a file without ${quoted}, which plumbline.yaml gives a type, in any record: NULL in its rows.${hint}`,
  ];
}

function misfitNotice(name: string, type: ColumnType, count: number, { types }: Contract): string {
  const isNull = types === 'discard_value';
  const one = `1 of its values is not and ${isNull ? 'is NULL' : 'its row is quarantined'}`;
  const many = `${count} of its values are not and ${isNull ? 'they are NULL' : 'their rows are quarantined'}`;
  return `Column ${JSON.stringify(name)} is read as ${type}; ${count === 1 ? one : many}.`;
}

/** New columns that the contract leaves out. Throws `ELT_CONTRACT` on a new column, or one that would go, that it forbids. */
function unwantedColumns(
  names: readonly string[],
  declared: ReadonlyMap<string, ColumnType>,
  { file, existing, contract, isMadeAnew, at }: PlanOptions,
): string[] {
  if (existing === undefined || contract.columns === 'evolve') return [];
  const added = names.filter((name) => !existing.has(name) && !declared.has(name));
  const gone = isMadeAnew ? [...existing.keys()].filter((name) => !names.includes(name)) : [];
  const quoted = (columns: readonly string[]): string => columns.map((name) => JSON.stringify(name)).join(', ');
  const refuse = (what: string, columns: readonly string[], next: string): TerminalError =>
    new TerminalError(
      'ELT_CONTRACT',
      `Loading ${file} failed: ${what} and \`contract.columns\` is ${contract.columns}.`,
      {
        at,
        details: { columns },
        next,
      },
    );
  if (gone.length > 0)
    throw refuse(`it has no column ${quoted(gone)}, which the table has,`, gone, 'Correct the file, or set `contract: {columns: evolve}`.'); // prettier-ignore
  if (added.length > 0 && contract.columns === 'freeze')
    throw refuse(`it has column ${quoted(added)}, which the table does not have,`, added, 'Correct the file, declare the column under `columns`, or set `contract: {columns: evolve}`.'); // prettier-ignore
  return added;
}

async function inferColumns(
  duckdb: OpenDuckDB,
  source: RowSource,
  open: readonly number[],
  tolerance: number,
): Promise<Map<number, Inferred>> {
  const counted = open.length === 0 ? undefined : await source.classify?.(open, tolerance);
  const inferred =
    counted === undefined
      ? await inferByDuckDB(duckdb, source, open, tolerance)
      : new Map(open.map((index, position) => [index, inferFromCounts(counted[position]!, tolerance)]));
  for (const [index, choice] of inferred) {
    const allowed = source.allowed[index];
    // A JSON string of digits is a string.
    if (allowed !== undefined && (!allowed.includes(choice.type) || choice.misfits > 0))
      inferred.set(index, { ...choice, type: 'text', misfits: 0 });
  }
  return inferred;
}

async function inferByDuckDB(
  duckdb: OpenDuckDB,
  source: RowSource,
  open: readonly number[],
  tolerance: number,
): Promise<Map<number, Inferred>> {
  const inferred = new Map<number, Inferred>();
  const mixed: number[] = [];
  const masks = await valuesOver(duckdb, open, (columns) => classesQuery(columns, source.relation));
  open.forEach((index, position) => {
    const choice = inferFromClasses(Number(masks[position]));
    if (choice === undefined) mixed.push(index);
    else inferred.set(index, choice);
  });
  const counts = await valuesOver(duckdb, mixed, (columns) => classCountsQuery(columns, source.relation));
  mixed.forEach((index, position) => {
    inferred.set(index, inferType(readClassCounts((counts[position] as unknown[]).map(Number)), tolerance));
  });
  return inferred;
}

async function valuesOver(
  duckdb: OpenDuckDB,
  indexes: readonly number[],
  query: (columns: readonly string[]) => string,
): Promise<readonly unknown[]> {
  if (indexes.length === 0) return [];
  const found = await (await duckdb()).runAndReadAll(query(indexes.map((index) => `c${index}`)));
  return readOverColumns(indexes.length, found.getRowsJS());
}
