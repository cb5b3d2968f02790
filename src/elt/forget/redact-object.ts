import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { finished, pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { ResourceConfig } from '../../model/project.js';
import { literal } from '../../model/sql-identifier.js';
import { parquetRows } from '../../table/parquet-rows.js';
import { withDuckDB } from '../read/duckdb.js';
import { byteOf } from '../read/csv-dialect.js';
import { recordAt } from '../read/csv-record.js';
import { valueReaders } from '../read/csv-values.js';
import { fileFormat, plainName } from '../read/file-format.js';
import { byteSource, firstBytes, openBytes, type ByteSource } from '../read/open-bytes.js';
import { readLines } from '../read/read-lines.js';
import { isJsonLines } from '../read/scan-json.js';
import { MAX_RECORD_BYTES, scanCsv } from '../read/scan-csv.js';
import { unpackedCopy } from '../read/unpacked-copy.js';
import { nameColumns } from '../schema/name-columns.js';
import { keyInRecord, singerRecord } from './key-in-record.js';
import { sameKey } from './same-key.js';

export interface RedactOptions {
  /** A file on this machine. */
  readonly path: string;
  /** What the project calls it. */
  readonly file: string;
  readonly resource: Pick<ResourceConfig, 'format' | 'encoding' | 'csv' | 'parse'>;
  readonly column: string;
  /** Of the column in the table: a CSV file may write its values otherwise. */
  readonly type: string;
  readonly isTheirs: (value: string) => boolean;
  /** For Parquet, which has values of its own types. */
  readonly value: string;
  /** Where the new file goes. */
  readonly target: string;
  /** For what does not fit into memory. */
  readonly folder: string;
  readonly signal?: AbortSignal;
}

/**
 * Writes a raw file without the rows of one key: everything else byte by byte (CSV, NDJSON, messages of Singer) or value by value
 * (Parquet). Gives the number of rows left out, 0 when it has none and no file was written, undefined when it cannot be told or
 * written: a file of nothing else, workbooks, JSON documents, text that is not UTF-8, what a parser reads.
 */
export async function redactObject(options: RedactOptions): Promise<number | undefined> {
  const { path, file, resource } = options;
  if (resource.parse !== undefined) return undefined;
  const format = fileFormat(resource.format, file, await firstBytes(path));
  if (format === 'parquet') {
    const whole = await unpackedCopy(path, file, options.folder);
    try {
      return await redactParquet({ ...options, path: whole });
    } finally {
      if (whole !== path) await rm(whole, { force: true });
    }
  }
  if (format === 'xlsx') return undefined;
  const bytes = await byteSource(path, file, resource.encoding);
  if (bytes.encoding !== 'utf-8') return undefined;
  if (format === 'csv') return redactCsv(options, bytes);
  if (format === 'json' && !(await isJsonLines(bytes))) return undefined;
  return redactLines(options, bytes);
}

async function redactCsv(options: RedactOptions, bytes: ByteSource): Promise<number | undefined> {
  const { resource, file, column, type, isTheirs, signal } = options;
  const csv = { ...(/\.(tsv|tab)$/.test(plainName(file)) && { delimiter: '\t' }), ...resource.csv };
  const theirs = new Set<number>();
  let firstLine = Infinity;
  const { headers, dialect } = await scanCsv(bytes, { csv, signal });
  const index = nameColumns(headers, file).names.indexOf(column);
  if (index === -1) return 0;
  const reader = valueReaders(csv).find(({ types }) => types.test(type));
  const scan = await scanCsv(bytes, {
    csv,
    signal,
    dialect,
    onRow(fields, _row, line) {
      firstLine = Math.min(firstLine, line);
      const field = fields[index];
      if (field !== undefined && isTheirs(reader?.read(field.text) ?? field.text)) theirs.add(line);
    },
  });
  // A row that could not be read may be theirs: its text is quarantined, not in a column.
  if (theirs.size === 0) return 0;
  if (theirs.size === scan.rows) return undefined;
  for (const { line } of scan.faults) if (line !== null) firstLine = Math.min(firstLine, line);
  const comment = byteOf(csv.comment);
  const sink = openSink(options.target, bytes.compression !== 'none');
  let rest: Buffer = Buffer.alloc(0);
  let line = 1;
  let left = 0;
  const take = async (buffer: Buffer, isLast: boolean): Promise<Buffer> => {
    let start = 0;
    const kept: Buffer[] = [];
    while (start < buffer.length) {
      const isWhole = line < firstLine || buffer[start] === comment;
      const newline = buffer.indexOf(dialect.lineEnd, start);
      const shape = isWhole ? { end: newline === -1 ? buffer.length : newline, innerLines: 0 } : recordAt(buffer, start, dialect, isLast || buffer.length - start > MAX_RECORD_BYTES); // prettier-ignore
      if (shape === undefined || (isWhole && newline === -1 && !isLast)) break;
      const end = Math.min(shape.end + 1, buffer.length);
      if (theirs.has(line) && !isWhole) left++;
      else kept.push(buffer.subarray(start, end));
      line += 1 + shape.innerLines;
      start = end;
    }
    if (kept.length > 0) await sink.write(Buffer.concat(kept));
    return buffer.subarray(start);
  };
  for await (const chunk of openBytes(bytes, signal))
    rest = await take(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), false);
  await take(rest, true);
  await sink.end();
  if (left !== theirs.size) throw new RangeError(`${left} rows were left out of ${file}, ${theirs.size} were found`);
  return left;
}

async function redactLines(options: RedactOptions, bytes: ByteSource): Promise<number | undefined> {
  const { column, isTheirs, resource, file, signal } = options;
  const isSinger = resource.format === 'singer';
  let [lines, found] = [0, 0];
  const isTheirLine = (line: Buffer): boolean => {
    if (line.length === 0) return false;
    try {
      const record = isSinger ? singerRecord(line.toString()) : line.toString();
      const key = record === undefined ? null : keyInRecord(record, column, file);
      return key !== null && isTheirs(key);
    } catch {
      // Loads quarantine what is no object.
      return false;
    }
  };
  await readLines(bytes, 'NDJSON', {
    signal,
    onLine(line) {
      if (line.length > 0) lines++;
      if (isTheirLine(line)) found++;
    },
  });
  if (found === 0) return 0;
  if (found === lines) return undefined;
  const sink = openSink(options.target, bytes.compression !== 'none');
  let kept: Buffer[] = [];
  await readLines(bytes, 'NDJSON', {
    signal,
    onLine: (line) => void (isTheirLine(line) || kept.push(Buffer.from(line), NEWLINE)),
    onChunk: async () => {
      await sink.write(Buffer.concat(kept));
      kept = [];
    },
  });
  await sink.write(Buffer.concat(kept));
  await sink.end();
  return found;
}

const NEWLINE = Buffer.from('\n');

async function redactParquet({
  path,
  file,
  target,
  folder,
  column,
  value,
}: RedactOptions): Promise<number | undefined> {
  return withDuckDB({ folder, extraMemoryMb: 128 }, async (duckdb) => {
    const connection = await duckdb();
    const reader = parquetRows(path);
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${reader}`);
    const headers = described.getRows().map(([name]) => String(name));
    const header = headers[nameColumns(headers, file).names.indexOf(column)];
    if (header === undefined) return 0;
    const type = String(described.getRows().find(([name]) => String(name) === header)![1]);
    const isTheirs = await sameKey(connection, { column: header, type }, [value]);
    const counted = await connection.runAndReadAll(`SELECT count(*) FILTER (${isTheirs})::VARCHAR, count(*)::VARCHAR FROM ${reader}`); // prettier-ignore
    const [rows = 0, all = 0] = counted.getRows()[0]!.map(Number);
    if (rows === all && rows > 0) return undefined;
    if (rows > 0)
      await connection.run(
        `COPY (SELECT * FROM ${reader} WHERE (${isTheirs}) IS NOT TRUE) TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd)`,
      );
    return rows;
  });
}

function openSink(path: string, isPacked: boolean): { write(bytes: Buffer): Promise<void>; end(): Promise<void> } {
  const file = createWriteStream(path);
  const gzip = isPacked ? createGzip() : undefined;
  const head = gzip ?? file;
  const done = gzip === undefined ? finished(file) : pipeline(gzip, file);
  // Told by `end`.
  done.catch(() => {});
  return {
    async write(bytes) {
      if (bytes.length > 0 && !head.write(bytes)) await once(head, 'drain');
    },
    async end() {
      head.end();
      await done;
    },
  };
}
