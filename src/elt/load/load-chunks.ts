import type { ResourceConfig } from '../../model/project.js';
import type { OpenDuckDB } from '../read/duckdb.js';
import { readChunks } from '../read/read-chunks.js';
import type { ChunkOptions, RowChunk } from '../read/row-chunk.js';
import type { RowSource } from '../read/row-source.js';
import { selectColumns } from '../read/select-columns.js';
import { contractOf } from '../schema/contract.js';
import type { Reader } from './ledger.js';

/** Rows of a transaction, so what a killed attempt repeats at most. */
export const CHUNK_ROWS = 50_000;
/** Of the first one: PostgreSQL waits for it, and takes longer over each than the next one takes to be read. */
export const FIRST_CHUNK_ROWS = 10_000;

/** The rows of an object as its contract lets them into the stage. */
export function loadChunks(
  duckdb: OpenDuckDB,
  source: RowSource,
  reader: Reader,
  resource: ResourceConfig,
  options: Omit<ChunkOptions, 'types' | 'unwanted'>,
): AsyncGenerator<RowChunk> {
  const { columns: mode, types } = contractOf(resource);
  const unwanted = reader.unwanted ?? [];
  return readChunks(duckdb, inOrder(source, reader), reader.columns, {
    ...options,
    types,
    ...(unwanted.length > 0 && {
      unwanted: { names: unwanted, mode: mode === 'discard_row' ? mode : 'discard_value' },
    }),
  });
}

/** The file's columns that go into the table, then those that do not. */
function inOrder(source: RowSource, { columns, unwanted = [] }: Reader): RowSource {
  if (unwanted.length === 0) return source;
  const wanted = columns.map(({ header }) => source.headers.indexOf(header));
  return selectColumns(
    source,
    [...wanted, ...source.headers.keys()].filter((one, at, all) => all.indexOf(one) === at),
  );
}
