import type { DuckDBConnection } from '@duckdb/node-api';
import { TerminalError } from '../../errors.js';
import type { ColumnType } from '../../model/project.js';
import type { LoadColumn } from '../schema/column.js';
import {
  classCountsQuery,
  classesQuery,
  inferFromClasses,
  inferType,
  readClassCounts,
  readOverColumns,
  type Inferred,
} from '../schema/infer-types.js';
import { nameColumns } from '../schema/name-columns.js';
import type { RowSource } from './row-source.js';

export interface ColumnPlan {
  readonly columns: readonly LoadColumn[];
  readonly notices: readonly string[];
}

export interface PlanOptions {
  readonly file: string;
  /** Types by column name, from plumbline.yaml. */
  readonly declared: Readonly<Record<string, ColumnType>>;
  /** Types of the table that rows are added to, by column name. */
  readonly existing: ReadonlyMap<string, ColumnType>;
  /** Share of values that may be at odds with the rest of their column. */
  readonly tolerance: number;
  readonly at: { readonly file: string; readonly line: number };
}

/**
 * Names and types of a file's columns: declared, else the table's, else the file's own, else inferred from every value.
 * Throws `ELT_COLUMN_DUPLICATE`, `ELT_COLUMN_LIMIT`, `ELT_COLUMN_UNKNOWN`; a retry does not help.
 */
export async function planColumns(
  connection: DuckDBConnection,
  source: RowSource,
  options: PlanOptions,
): Promise<ColumnPlan> {
  const { names, notices } = nameColumns(source.headers, options.file);
  const declared = new Map(Object.entries(options.declared));
  for (const name of declared.keys())
    if (!names.includes(name))
      throw new TerminalError(
        'ELT_COLUMN_UNKNOWN',
        `Loading ${options.file} failed: plumbline.yaml gives column ${JSON.stringify(name)} a type, but the file has no such column; it has ${names.map((known) => JSON.stringify(known)).join(', ')}.`,
        { at: options.at, details: { column: name }, next: 'Correct the name under `columns`.' },
      );
  const known = names.map((name, index) => declared.get(name) ?? options.existing.get(name) ?? source.types[index]);
  const open = known.flatMap((type, index) => (type === undefined ? [index] : []));
  const inferred = await inferColumns(connection, source, open, options.tolerance);
  const misfits = open.flatMap((index) => {
    const { type, misfits: count } = inferred.get(index)!;
    return count === 0
      ? []
      : [
          `Column ${JSON.stringify(names[index])} is read as ${type}; ${count} of its values are not and their rows are quarantined.`,
        ];
  });
  return {
    columns: names.map((name, index) => ({
      name,
      header: source.headers[index]!,
      type: known[index] ?? inferred.get(index)!.type,
    })),
    notices: [...notices, ...misfits],
  };
}

async function inferColumns(
  connection: DuckDBConnection,
  source: RowSource,
  open: readonly number[],
  tolerance: number,
): Promise<Map<number, Inferred>> {
  const inferred = new Map<number, Inferred>();
  const mixed: number[] = [];
  const masks = await valuesOver(connection, open, (columns) => classesQuery(columns, source.relation));
  open.forEach((index, position) => {
    const choice = inferFromClasses(Number(masks[position]));
    if (choice === undefined) mixed.push(index);
    else inferred.set(index, choice);
  });
  const counts = await valuesOver(connection, mixed, (columns) => classCountsQuery(columns, source.relation));
  mixed.forEach((index, position) => {
    inferred.set(index, inferType(readClassCounts((counts[position] as unknown[]).map(Number)), tolerance));
  });
  for (const [index, choice] of inferred) {
    const allowed = source.allowed[index];
    // A JSON string of digits is a string.
    if (allowed !== undefined && (!allowed.includes(choice.type) || choice.misfits > 0))
      inferred.set(index, { type: 'text', misfits: 0 });
  }
  return inferred;
}

async function valuesOver(
  connection: DuckDBConnection,
  indexes: readonly number[],
  query: (columns: readonly string[]) => string,
): Promise<readonly unknown[]> {
  if (indexes.length === 0) return [];
  const found = await connection.runAndReadAll(query(indexes.map((index) => `c${index}`)));
  return readOverColumns(indexes.length, found.getRowsJS());
}
