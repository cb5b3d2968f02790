import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { QUOTE } from './csv-record.js';
import type { JsonScanOptions } from './json-rows.js';
import type { JsonMember } from './ndjson-line.js';
import { extraMemoryMb, readCsv } from './open-csv.js';
import type { RowSource } from './row-source.js';
import { writeCsv } from './write-csv.js';

/**
 * Writes the members of JSON rows into a CSV file in `folder`, one column a header, for DuckDB to read.
 *
 * @param scan reads the rows once more
 * @param written a value as the file has it; null for NULL. `index` is its column's
 */
export async function spoolMembers(
  folder: string,
  headers: readonly string[],
  scan: (options: Pick<JsonScanOptions, 'onRow' | 'onChunk'>) => Promise<unknown>,
  written: (member: JsonMember, index: number) => string | null,
): Promise<Pick<RowSource, 'relation' | 'extraMemoryMb'>> {
  const positions = new Map(headers.map((name, index) => [name, index]));
  const path = join(folder, `rows-${randomUUID()}.csv`);
  const writer = writeCsv(path);
  let longest = 0;
  // Read by one thread, DuckDB keeps the whole file in its memory, which ends at some 240 MB: only where a value asks for it.
  let multiLine = false;
  await scan({
    onRow(members) {
      const fields = new Array<string | null>(headers.length).fill(null);
      let length = 0;
      for (const member of members) {
        const index = positions.get(member.key)!;
        const field = written(member, index);
        multiLine ||= field !== null && /[\n\r]/.test(field);
        fields[index] = field;
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
    relation: readCsv(
      path,
      { headers, longestRecordBytes, multiLine },
      { dialect: { delimiter: 44, quote: QUOTE, lineEnd: 10 }, header: false, compression: 'none', newLine: '\n' },
    ),
    extraMemoryMb: extraMemoryMb(longestRecordBytes),
  };
}
