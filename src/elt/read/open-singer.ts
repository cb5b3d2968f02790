import type { ColumnType } from '../../model/project.js';
import { text, type JsonMember } from './ndjson-line.js';
import type { ByteSource } from './open-bytes.js';
import type { RowSource } from './row-source.js';
import { spoolRows } from './spool-rows.js';
import { scanSinger, type SingerScan } from './scan-singer.js';

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
  const types = headers.map((name) => declared.get(name) ?? scan.columns.get(name)!);

  const positions = new Map(headers.map((name, index) => [name, index]));
  const spooled = await spoolRows(
    folder,
    source.file,
    async (spool) => {
      await scanSinger(source, {
        signal,
        onRow(members) {
          const values = new Array<string | null>(headers.length).fill(null);
          for (const member of members) {
            const index = positions.get(member.key)!;
            values[index] = written(member, types[index]!);
          }
          spool.addRow(values);
        },
        onChunk: () => spool.drain(),
      });
      return { ...scan, headers };
    },
    signal,
  );
  return {
    ...spooled,
    types: headers.map((name) => scan.columns.get(name)),
    allowed: headers.map(() => undefined),
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
