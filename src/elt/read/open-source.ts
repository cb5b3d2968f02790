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
import { openSinger } from './open-singer.js';
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
    readonly resource: Pick<
      ResourceConfig,
      'format' | 'columns' | 'encoding' | 'csv' | 'xlsx' | 'records' | 'program' | 'maxRejectedShare'
    >;
    /** Types of the table that the rows will be added to. */
    readonly existing: ReadonlyMap<string, ColumnType>;
    /** Types that the program of a source states of its rows. */
    readonly stated?: ReadonlyMap<string, ColumnType> | undefined;
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
      return openJson(scan, folder, types, resource.maxRejectedShare, isLines ? 'ndjson' : 'json', signal, {
        ...(options.stated !== undefined && { stated: options.stated }),
        // A key that a few of many rows have is a column all the same.
        ...(resource.program !== undefined && { optional: Object.keys(resource.columns) }),
      });
    };
    const numbers = { types, tolerance: resource.maxRejectedShare };
    const open = {
      csv: () => openCsv(bytes, folder, csvOptions(resource, file), signal, numbers),
      json,
      ndjson: json,
      singer: () => openSinger(bytes, folder, types, signal),
    };
    const source = await open[format]();
    return await withDuckDB(folder, source.extraMemoryMb, (connection) => work(connection, source));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the project says, else the delimiter that the name's ending promises. */
function csvOptions({ csv }: Pick<ResourceConfig, 'csv'>, file: string): CsvOptions {
  return { ...(/\.(tsv|tab)$/.test(plainName(file)) && { delimiter: '\t' }), ...csv };
}
