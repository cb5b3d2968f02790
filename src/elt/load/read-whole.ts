import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import { countedProfile } from '../anomaly/counted-profile.js';
import type { OpenDuckDB } from '../read/duckdb.js';
import { MAX_CHUNK_BYTES, type CopyFormat } from '../read/row-chunk.js';
import type { RowFault } from '../read/row-fault.js';
import type { RowSource } from '../read/row-source.js';
import type { Reader } from './ledger.js';
import { loadChunks } from './load-chunks.js';
import { mostRejected } from './most-rejected.js';
import { planReader } from './plan-reader.js';

/** What objects of a resource are read with. Plain data. */
export interface ReadSettings {
  readonly resource: ResourceConfig;
  readonly schemas: Schemas;
  /** Columns of the published table, as far as they matter; undefined when there is none. */
  readonly existing: ReadonlyMap<string, ColumnType> | undefined;
  readonly maxRows: number;
}

/** All rows of an object, ready for COPY. Plain data. */
export interface WholeObject {
  readonly reader: Reader;
  readonly format: CopyFormat;
  /** Rows in that format: load, row number, values. */
  readonly blocks: readonly Buffer[];
  /** In the blocks. */
  readonly rows: number;
  readonly faults: readonly RowFault[];
  readonly discarded: Readonly<Record<string, number>>;
}

/** Undefined for one that has to be loaded by itself: without rows, too long, or with too many bad rows. Throws what `planReader` and `loadChunks` do. */
export async function readWhole(
  duckdb: OpenDuckDB,
  source: RowSource,
  { path: file, loadId }: { readonly path: string; readonly loadId: string },
  { resource, schemas, existing, maxRows }: ReadSettings,
  signal?: AbortSignal,
): Promise<WholeObject | undefined> {
  if (source.rows > maxRows || source.rows === 0) return undefined;
  const reader = await planReader({ object: { path: file }, resource, schemas, existing }, duckdb, source);
  const faults: RowFault[] = [];
  const discarded: Record<string, number> = {};
  const blocks: Buffer[] = [];
  let format: CopyFormat = 'text';
  let nulls: readonly number[] | undefined = reader.columns.map(() => 0);
  let rows = 0;
  let bytes = 0;
  const chunks = { file, fromRow: 1, maxRows, format: 'binary', loadId, signal } as const;
  for await (const chunk of loadChunks(duckdb, source, reader, resource, chunks)) {
    format = chunk.format;
    faults.push(...chunk.faults);
    for (const [name, values] of chunk.discarded) discarded[name] = (discarded[name] ?? 0) + values;
    for (const block of chunk.blocks) bytes += block.length;
    blocks.push(...chunk.blocks);
    nulls = chunk.nulls && nulls?.map((sum, index) => sum + chunk.nulls![index]!);
    rows += chunk.rowNumbers.length;
    if (bytes > MAX_CHUNK_BYTES || faults.length > mostRejected(resource, source.rows)) return undefined;
  }
  const profile = nulls && countedProfile(reader.columns, source.rows, nulls);
  return { reader: { ...reader, ...(profile && { profile }) }, format, blocks, rows, faults, discarded };
}
