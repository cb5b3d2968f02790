import type { DuckDBConnection } from '@duckdb/node-api';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ColumnType, CsvOptions, ResourceConfig } from '../../model/project.js';
import { withDuckDB } from './duckdb.js';
import { fileFormat, plainName } from './file-format.js';
import { byteSource, firstBytes } from './open-bytes.js';
import { openCsv } from './open-csv.js';
import { openJson, type ScanJson } from './open-json.js';
import { openParquet, parquetFault } from './open-parquet.js';
import { openXlsx } from './open-xlsx.js';
import type { RowSource } from './row-source.js';
import { isJsonLines, scanJson } from './scan-json.js';
import { scanNdjson } from './scan-ndjson.js';

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
      ).catch((error: unknown) => {
        throw parquetFault(error, file);
      });
    if (format === 'xlsx') {
      const source = await openXlsx(path, file, folder, resource.xlsx, resource.maxRejectedShare, signal);
      return await withDuckDB(folder, source.extraMemoryMb, (connection) => work(connection, source));
    }
    const bytes = await byteSource(path, file, resource.encoding);
    const json = async (): Promise<RowSource> => {
      const isLines = format === 'ndjson' || (resource.format === 'auto' && (await isJsonLines(bytes)));
      const scan: ScanJson = (options) =>
        isLines ? scanNdjson(bytes, options) : scanJson(bytes, resource.records ?? [], options);
      return openJson(scan, folder, types, resource.maxRejectedShare, isLines ? 'ndjson' : 'json', signal);
    };
    const source =
      format === 'csv'
        ? await openCsv(bytes, folder, csvOptions(resource, file), signal, {
            types,
            tolerance: resource.maxRejectedShare,
          })
        : await json();
    return await withDuckDB(folder, source.extraMemoryMb, (connection) => work(connection, source));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the project says, else the delimiter that the name's ending promises. */
function csvOptions({ csv }: ResourceConfig, file: string): CsvOptions {
  return { ...(/\.(tsv|tab)$/.test(plainName(file)) && { delimiter: '\t' }), ...csv };
}
