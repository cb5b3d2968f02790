import { join } from 'node:path';
import type { ColumnType } from '../../model/project.js';
import { QUOTE } from './csv-record.js';
import { extraMemoryMb, readCsv } from './open-csv.js';
import { text, type JsonKind, type JsonMember } from './ndjson-line.js';
import type { ByteSource } from './open-bytes.js';
import type { RowSource } from './row-source.js';
import { scanNdjson } from './scan-ndjson.js';
import { writeCsv } from './write-csv.js';

/**
 * Makes a CSV file of an NDJSON file in `folder`: one column a key, numbers with every digit they are written with.
 * A key whose values are of several kinds, or objects or arrays, becomes jsonb; a JSON string is never taken for a number.
 *
 * @param declared types by key, which decide how a value is written
 * @param tolerance share of strings that a key of numbers may have and stay one
 * @param options.present columns that are there even if no row has them; with it, there may be no rows
 */
export async function openNdjson(
  source: ByteSource,
  folder: string,
  declared: ReadonlyMap<string, ColumnType>,
  tolerance: number,
  { signal, present }: { readonly signal?: AbortSignal | undefined; readonly present?: readonly string[] } = {},
): Promise<RowSource> {
  const scan = await scanNdjson(source, { signal, mayBeEmpty: present !== undefined });
  const headers = [...new Set([...scan.keys.keys(), ...(present ?? [])])];
  const positions = new Map(headers.map((key, index) => [key, index]));
  const kinds = headers.map((key) => columnKind(scan.keys.get(key) ?? NEVER, tolerance));
  const asJson = headers.map((key, index) => (declared.get(key) ?? kinds[index]) === 'jsonb');

  const path = join(folder, 'rows.csv');
  const writer = writeCsv(path);
  let longest = 0;
  await scanNdjson(source, {
    signal,
    mayBeEmpty: present !== undefined,
    onRow(members) {
      const fields = new Array<string | null>(headers.length).fill(null);
      let length = 0;
      for (const member of members) {
        const index = positions.get(member.key)!;
        fields[index] = written(member, asJson[index]!);
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
    types: kinds.map((kind) => (kind === 'jsonb' || kind === 'boolean' ? kind : undefined)),
    allowed: kinds.map((kind) => (kind === 'string' ? ['date', 'timestamp', 'timestamptz', 'text'] : undefined)),
    rows: scan.rows,
    faults: scan.faults,
    lineOf: (row) => scan.lines.lineOf(row),
    extraMemoryMb: extraMemoryMb(longestRecordBytes),
    dialect: { format: 'ndjson' },
  };
}

const NEVER: Readonly<Record<JsonKind, number>> = { string: 0, number: 0, boolean: 0, null: 0, nested: 0 };

type JsonColumnKind = 'string' | 'number' | 'boolean' | 'jsonb';

function columnKind(counts: Readonly<Record<JsonKind, number>>, tolerance: number): JsonColumnKind {
  const total = counts.string + counts.number + counts.boolean + counts.nested;
  if (counts.nested === 0 && counts.boolean === 0 && counts.string <= tolerance * total && counts.number > 0)
    return 'number';
  if (counts.string === total) return 'string';
  return counts.boolean === total ? 'boolean' : 'jsonb';
}

function written(member: JsonMember, asJson: boolean): string | null {
  if (member.kind === 'null') return null;
  return asJson || member.kind !== 'string' ? member.source : text(member.source);
}
