import type { DuckDBConnection } from '@duckdb/node-api';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ColumnType, CsvOptions, ResourceConfig } from '../../model/project.js';
import { openParsed } from '../parse/open-parsed.js';
import { addColumns } from './add-columns.js';
import { withDuckDB } from './duckdb.js';
import { fileFormat, plainName } from './file-format.js';
import { jsonMembers } from './ndjson-line.js';
import { byteSource, firstBytes } from './open-bytes.js';
import { openCsv } from './open-csv.js';
import { openNdjson } from './open-ndjson.js';
import { openParquet } from './open-parquet.js';
import type { RowSource } from './row-source.js';

/**
 * Lends a load's object as a RowSource with the DuckDB connection that reads it. Temporary files live as long as `work` runs.
 *
 * @param options.parts the raw objects; without a parser there is one
 * @param options.types of the columns that an inventory says of them
 * @param options.file the path as the project names it
 */
export async function withSource<T>(
  options: {
    readonly parts: readonly { readonly name: string; readonly path: string; readonly columns: string }[];
    readonly types: Readonly<Record<string, ColumnType>>;
    readonly file: string;
    readonly resource: ResourceConfig;
    /** Types of the table that the rows will be added to. */
    readonly existing: ReadonlyMap<string, ColumnType>;
    /** The project's code, for a parser. */
    readonly code?: string | undefined;
    readonly signal?: AbortSignal | undefined;
  },
  work: (connection: DuckDBConnection, source: RowSource) => Promise<T>,
): Promise<T> {
  const { parts, file, resource, signal } = options;
  const types = new Map([...Object.entries(options.types), ...options.existing, ...Object.entries(resource.columns)]);
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-load-'));
  try {
    if (resource.parse !== undefined) {
      const code = options.code ?? '.';
      const parsed = typed(await openParsed({ parts, code, resource, file, folder, types, environment: process.env, signal }), options.types); // prettier-ignore
      return await withDuckDB(folder, parsed.extraMemoryMb, (connection) => work(connection, parsed));
    }
    const { path, columns } = parts[0]!;
    const added = jsonMembers(columns);
    const head = await firstBytes(path);
    const format = fileFormat(resource.format, file, head);
    if (format === 'parquet')
      return await withDuckDB(folder, 128, async (connection) =>
        work(connection, typed(addColumns(await openParquet(connection, path, file), added), options.types)),
      );
    const bytes = await byteSource(path, file, resource.encoding);
    const source =
      format === 'csv'
        ? await openCsv(bytes, folder, csvOptions(resource, file), signal)
        : await openNdjson(bytes, folder, types, resource.maxRejectedShare, { signal });
    return await withDuckDB(folder, source.extraMemoryMb, (connection) =>
      work(connection, typed(addColumns(source, added), options.types)),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The inventory's columns have the types that its SELECT gives them. */
function typed(source: RowSource, types: Readonly<Record<string, ColumnType>>): RowSource {
  const known = new Map(Object.entries(types));
  return { ...source, types: source.headers.map((header, index) => known.get(header) ?? source.types[index]) };
}

/** What the project says, else the delimiter that the name's ending promises. */
function csvOptions({ csv }: ResourceConfig, file: string): CsvOptions {
  return { ...(/\.(tsv|tab)$/.test(plainName(file)) && { delimiter: '\t' }), ...csv };
}
