import type { DuckDBConnection } from '@duckdb/node-api';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { withDuckDB } from './duckdb.js';
import { fileFormat } from './file-format.js';
import { isGzip } from './inspect-bytes.js';
import { openCsv } from './open-csv.js';
import { openNdjson } from './open-ndjson.js';
import { openParquet } from './open-parquet.js';
import type { RowSource } from './row-source.js';

/**
 * Lends a file as a RowSource with the DuckDB connection that reads it. Temporary files live as long as `work` runs.
 *
 * @param path on this machine
 * @param file the path as the project names it
 */
export async function withSource<T>(
  options: {
    readonly path: string;
    readonly file: string;
    readonly resource: ResourceConfig;
    /** Types of the table that the rows will be added to. */
    readonly existing: ReadonlyMap<string, ColumnType>;
    readonly signal?: AbortSignal | undefined;
  },
  work: (connection: DuckDBConnection, source: RowSource) => Promise<T>,
): Promise<T> {
  const { path, file, resource, signal } = options;
  const types = new Map([...options.existing, ...Object.entries(resource.columns)]);
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-load-'));
  try {
    const head = await firstBytes(path);
    const format = fileFormat(resource.format, file, head);
    if (format === 'parquet')
      return await withDuckDB(folder, 128, async (connection) =>
        work(connection, await openParquet(connection, path, file)),
      );
    const bytes = { path, file, gzip: isGzip(head) };
    const source =
      format === 'csv'
        ? await openCsv(bytes, folder, signal)
        : await openNdjson(bytes, folder, types, resource.maxRejectedShare, signal);
    return await withDuckDB(folder, source.extraMemoryMb, (connection) => work(connection, source));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
