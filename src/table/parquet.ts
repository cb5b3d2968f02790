import { DuckDBInstance, type DuckDBConnection, type DuckDBVector } from '@duckdb/node-api';
import { identifier } from '../model/sql-identifier.js';
import type { Column, ColumnTable } from './column-table.js';
import { parquetRows } from './parquet-rows.js';

/**
 * Reads a Parquet file whole. Numbers and booleans become float64, dates and timestamps milliseconds UTC, the rest text.
 * Rows come in chunks of 2,048 that are fetched off the event loop. Rejects with the signal's reason when aborted.
 */
export async function readParquet(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<ColumnTable> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '512MB' });
  const connection = await instance.connect();
  try {
    await connection.run(`SET TimeZone = 'UTC'`);
    return await readColumns(connection, parquetRows(path), options.signal);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function readColumns(
  connection: DuckDBConnection,
  rows: string,
  signal: AbortSignal | undefined,
): Promise<ColumnTable> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${rows}`);
  const kinds = described.getRows().map(([name, type]) => ({ name: String(name), kind: columnKind(String(type)) }));
  const counted = await connection.runAndReadAll(`SELECT count(*) FROM ${rows}`);
  const rowCount = Number(counted.getRows()[0]?.[0]);
  const columns = kinds.map(({ kind }) => emptyColumn(kind, rowCount));
  const select = kinds.map(({ name, kind }) => `${cast(name, kind)} AS ${identifier(name)}`).join(', ');
  const result = await connection.stream(`SELECT ${select} FROM ${rows}`);
  let row = 0;
  for await (const chunk of result) {
    signal?.throwIfAborted();
    columns.forEach((column, index) => column.fill(chunk.getColumnVector(index), row));
    row += chunk.rowCount;
  }
  return { rowCount: row, columns: new Map(kinds.map(({ name }, index) => [name, columns[index]!.column])) };
}

interface FillableColumn {
  readonly column: Column;
  /** Copies a chunk to the rows from `start` on. */
  readonly fill: (vector: DuckDBVector, start: number) => void;
}

function emptyColumn(kind: Column['kind'], rowCount: number): FillableColumn {
  if (kind === 'text') {
    const values: (string | null)[] = [];
    return {
      column: { kind, values },
      fill: (vector) => {
        for (let item = 0; item < vector.itemCount; item++) values.push(vector.getItem(item) as string | null);
      },
    };
  }
  const values = new Float64Array(rowCount);
  return {
    column: { kind, values },
    fill: (vector, start) => {
      for (let item = 0; item < vector.itemCount; item++) {
        const value = vector.getItem(item) as number | null;
        values[start + item] = value ?? NaN;
      }
    },
  };
}

function columnKind(type: string): Column['kind'] {
  if (/^(TIMESTAMP|DATE)/.test(type)) return 'time';
  return /^(U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL|BOOLEAN)/.test(type) ? 'number' : 'text';
}

function cast(name: string, kind: Column['kind']): string {
  const column = identifier(name);
  if (kind === 'time') return `epoch_ms(CAST(${column} AS TIMESTAMP))::DOUBLE`;
  return kind === 'number' ? `CAST(${column} AS DOUBLE)` : `CAST(${column} AS VARCHAR)`;
}
