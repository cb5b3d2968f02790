import { join } from 'node:path';
import type { ColumnType } from '../../model/project.js';
import { QUOTE } from './csv-record.js';
import { text, type JsonMember } from './ndjson-line.js';
import type { ByteSource } from './open-bytes.js';
import { extraMemoryMb, readCsv } from './open-csv.js';
import type { RowSource } from './row-source.js';
import { scanSinger, type SingerScan } from './scan-singer.js';
import { writeCsv } from './write-csv.js';

/**
 * Makes a CSV file in `folder` of a stream's messages: the columns are those of its schema, with the types that it says, whether or not a
 * record has them; numbers have every digit they are written with.
 *
 * @param declared types by column, which decide how a value is written
 */
export async function openSinger(
  source: ByteSource,
  folder: string,
  declared: ReadonlyMap<string, ColumnType>,
  signal?: AbortSignal,
): Promise<RowSource> {
  const scan = await scanSinger(source, { signal });
  const headers = [...scan.columns.keys()];
  const positions = new Map(headers.map((name, index) => [name, index]));
  const types = headers.map((name) => declared.get(name) ?? scan.columns.get(name)!);

  const path = join(folder, 'rows.csv');
  const writer = writeCsv(path);
  let longest = 0;
  await scanSinger(source, {
    signal,
    onRow(members) {
      const fields = new Array<string | null>(headers.length).fill(null);
      let length = 0;
      for (const member of members) {
        const index = positions.get(member.key)!;
        fields[index] = written(member, types[index]!);
        length += 2 * member.source.length + 3;
      }
      longest = Math.max(longest, length);
      writer.add(fields);
    },
    onChunk: () => writer.drain(),
  });
  await writer.end();
  // A line of UTF-8 has at most three bytes a UTF-16 unit.
  const longestRecordBytes = 3 * longest;
  return {
    headers,
    relation: readCsv(
      path,
      { headers, longestRecordBytes, multiLine: true },
      { dialect: { delimiter: 44, quote: QUOTE, lineEnd: 10 }, header: false, gzip: false, newLine: '\n' },
    ),
    types: headers.map((name) => scan.columns.get(name)),
    allowed: headers.map(() => undefined),
    rows: scan.rows,
    faults: scan.faults,
    lineOf: (row) => scan.lines.lineOf(row),
    extraMemoryMb: extraMemoryMb(longestRecordBytes),
    dialect: { format: 'singer' },
    stream: scan.facts,
    notices: unknownMembers(scan),
  };
}

/** A time without a zone is one of UTC, as Singer has it; 1.0 in an integer column is 1. */
function written(member: JsonMember, type: ColumnType): string | null {
  if (member.kind === 'null') return null;
  if (type === 'jsonb') return member.source;
  const value = member.kind === 'string' ? text(member.source) : member.source;
  if (type === 'timestamptz' && NAIVE.test(value)) return `${value}Z`;
  return type === 'bigint' ? value.replace(/\.0+$/, '') : value;
}

const NAIVE = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$/;

function unknownMembers({ unknown }: SingerScan): string[] {
  return [...unknown].map(
    ([name, rows]) =>
      `${JSON.stringify(name)} of ${rows} records is not in the stream's schema and was left out of the table.`,
  );
}
