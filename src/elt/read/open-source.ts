import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminalError } from '../../errors.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { openParsed } from '../parse/open-parsed.js';
import { addColumns } from './add-columns.js';
import { withDuckDB, type OpenDuckDB, type SharedDuckDB } from './duckdb.js';
import { fileFormat } from './file-format.js';
import { jsonMembers } from './ndjson-line.js';
import { byteSource, firstBytes } from './open-bytes.js';
import { openCsvOf } from './open-csv-of.js';
import { openJson, type ScanJson } from './open-json.js';
import { openParquet, parquetFault } from './open-parquet.js';
import { openSinger } from './open-singer.js';
import { openXlsx } from './open-xlsx.js';
import { mayBeWithoutRows } from './may-be-without-rows.js';
import type { RowSource } from './row-source.js';
import { isJsonLines, scanJson } from './scan-json.js';
import { scanNdjson } from './scan-ndjson.js';
import { unpackedCopy } from './unpacked-copy.js';
import { isWithoutRows, withoutRows } from './without-rows.js';

/**
 * Lends a load's object as a RowSource, one without rows where that may be, with the DuckDB connection that reads it, which is opened when it is asked for. Temporary files live as long as `work` runs.
 *
 * @param options.parts the raw objects; without a parser there is one
 * @param options.types of the columns that an inventory says of them
 * @param options.file the path as the project names it
 */
export async function withSource<T>(
  options: {
    readonly parts: readonly {
      readonly name: string;
      readonly path: string;
      readonly content?: Buffer;
      readonly columns: string;
    }[];
    readonly types: Readonly<Record<string, ColumnType>>;
    readonly file: string;
    readonly resource: Pick<
      ResourceConfig,
      | 'id'
      | 'type'
      | 'path'
      | 'member'
      | 'allowEmpty'
      | 'format'
      | 'columns'
      | 'encoding'
      | 'csv'
      | 'xlsx'
      | 'records'
      | 'program'
      | 'parse'
      | 'maxRejectedShare'
      | 'contract'
      | 'children'
    >;
    /** Types of the table that the rows will be added to. */
    readonly existing: ReadonlyMap<string, ColumnType>;
    /** Types that the program of a source states of its rows. */
    readonly stated?: ReadonlyMap<string, ColumnType> | undefined;
    /** The project's code, for a parser. */
    readonly code?: string | undefined;
    /** @default an instance of its own */
    readonly shared?: SharedDuckDB | undefined;
    /** For temporary files, whose names are their own; whoever made it removes it. @default one that goes afterwards */
    readonly folder?: string | undefined;
    readonly signal?: AbortSignal | undefined;
    /** Takes what a parser prints, line by line. */
    readonly onLog?: ((line: string) => void) | undefined;
  },
  work: (duckdb: OpenDuckDB, source: RowSource) => Promise<T>,
): Promise<T> {
  const { parts, file, resource, signal, onLog } = options;
  // A column with a child table holds JSON, whatever a file has in it.
  const nested = (resource.children ?? []).map(({ field }) => [field, 'jsonb'] as const);
  const types = new Map([...Object.entries(options.types), ...options.existing, ...Object.entries(resource.columns), ...nested]); // prettier-ignore
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'plumbline-load-')));
  const { shared } = options;
  const read = (source: RowSource): Promise<T> =>
    withDuckDB({ folder, extraMemoryMb: source.extraMemoryMb + wideRowsMb(source.headers.length), shared }, (duckdb) =>
      work(duckdb, source),
    );
  try {
    if (resource.parse !== undefined) {
      const code = options.code ?? '.';
      const parsed = typed(await openParsed({ parts, code, resource, file, folder, types, environment: process.env, signal, onLog }), options.types); // prettier-ignore
      return await read(parsed);
    }
    const { path, content, columns } = parts[0]!;
    const added = jsonMembers(columns);
    const head = content ?? (await firstBytes(path));
    const format = fileFormat(resource.format, file, head);
    if (format === 'parquet') {
      const whole = await unpackedCopy(path, file, folder, { head, signal });
      return await withDuckDB({ folder, extraMemoryMb: 128 }, async (duckdb) =>
        work(duckdb, typed(addColumns(await openParquet(await duckdb(), whole, file, types), added), options.types)),
      ).catch((error: unknown) => {
        throw parquetFault(error, file);
      });
    }
    if (format === 'xlsx') {
      const whole = await unpackedCopy(path, file, folder, { head, signal });
      const sheet = await openXlsx(whole, file, folder, resource.xlsx, resource.maxRejectedShare, signal);
      return await read(typed(addColumns(sheet, added), options.types));
    }
    const bytes = await byteSource(path, file, resource.encoding, head);
    const json = async (): Promise<RowSource> => {
      const isLines = format === 'ndjson' || (resource.format === 'auto' && (await isJsonLines(bytes)));
      const scan: ScanJson = (options) =>
        isLines ? scanNdjson(bytes, options) : scanJson(bytes, resource.records ?? [], options);
      const source = await openJson(scan, {
        file,
        folder,
        declared: types,
        tolerance: resource.maxRejectedShare,
        format: isLines ? 'ndjson' : 'json',
        signal,
        ...(options.stated !== undefined && { stated: options.stated }),
        // A key that a few of many rows have is a column all the same, also where none of these has it.
        optional: Object.keys(resource.columns).filter((name) => !added.some(({ key }) => key === name)),
      });
      // What a program gives is no place that `records` could miss.
      const unseen = resource.program === undefined ? (source.unseen?.length ?? 0) : 0;
      if (source.headers.length === unseen && source.rows > source.faults.length) throw withoutKeys(file);
      return source;
    };
    const open = {
      csv: () => openCsvOf(resource, bytes, { folder, types, signal }),
      json,
      ndjson: json,
      singer: () => openSinger(bytes, folder, types, signal),
    };
    return await read(typed(addColumns(await open[format](), added), options.types));
  } catch (error) {
    // Known before any work began.
    if (isWithoutRows(error) && mayBeWithoutRows(resource)) return await read(withoutRows(file));
    throw error;
  } finally {
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  }
}

function withoutKeys(file: string): TerminalError {
  return new TerminalError(
    'ELT_JSON_RECORDS',
    `Reading ${file} failed: its records are empty objects; expected one key or more, which become columns.`,
    { at: { file }, next: 'Set `records` of the resource to where the list is, or leave the file out.' },
  );
}

/** The inventory's columns have the types that its SELECT gives them. */
function typed(source: RowSource, types: Readonly<Record<string, ColumnType>>): RowSource {
  const known = new Map(Object.entries(types));
  return { ...source, types: source.headers.map((header, index) => known.get(header) ?? source.types[index]) };
}

const USUAL_COLUMNS = 256;

/** DuckDB checks and writes 2,048 values of every column at a time. */
function wideRowsMb(columns: number): number {
  return Math.ceil(Math.max(0, columns - USUAL_COLUMNS) * 0.4);
}
