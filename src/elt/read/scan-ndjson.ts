import { isUtf8 } from 'node:buffer';
import { TerminalError } from '../../errors.js';
import { assertText } from './inspect-bytes.js';
import { LineIndex } from './line-index.js';
import { jsonMembers, type JsonKind, type JsonMember } from './ndjson-line.js';
import { openBytes, type ByteSource } from './open-bytes.js';
import { keptText, type RowFault } from './row-fault.js';

export interface NdjsonScan {
  /** Keys in the order of their first appearance, with how often each kind of value occurs. */
  readonly keys: ReadonlyMap<string, Readonly<Record<JsonKind, number>>>;
  readonly rows: number;
  readonly faults: readonly RowFault[];
  readonly lines: LineIndex;
}

export interface NdjsonScanOptions {
  readonly signal?: AbortSignal | undefined;
  /** @default false */
  readonly mayBeEmpty?: boolean;
  readonly onRow?: (members: readonly JsonMember[]) => void;
  /** Called between chunks of the file; reading waits for it. */
  readonly onChunk?: () => Promise<void>;
}

const LINE_END = 10;
const MAX_LINE_BYTES = 64 << 20;

/**
 * Reads a file of one JSON object a line. Blank lines are no rows; a line that is no object, not UTF-8 or holds what PostgreSQL
 * cannot store is a fault. Throws `ELT_FILE_EMPTY`, `ELT_FILE_ENCODING`, `ELT_FILE_BINARY`, `ELT_GZIP_BROKEN`; a retry does not help.
 */
export async function scanNdjson(source: ByteSource, options: NdjsonScanOptions = {}): Promise<NdjsonScan> {
  const keys = new Map<string, Record<JsonKind, number>>();
  const faults: RowFault[] = [];
  const lines = new LineIndex();
  let rows = 0;
  let line = 0;

  const take = (bytes: Buffer): void => {
    line++;
    const record = bytes.toString('utf8').trim();
    if (record === '') return;
    const row = ++rows;
    lines.add(row, line);
    const fault = (column: string | null, value: string | null, reason: string): void =>
      void faults.push({ row, line, column, value, reason, raw: keptText(record) });
    if (!isUtf8(bytes)) return fault(null, null, 'not valid UTF-8');
    let members;
    try {
      members = jsonMembers(record);
    } catch (error) {
      return fault(null, null, `not a JSON object: ${(error as Error).message}`);
    }
    const unstorable = members.find((member) => holdsUnstorable(member.source));
    if (unstorable !== undefined)
      return fault(
        unstorable.key,
        keptText(unstorable.source),
        'holds a NUL character or half a surrogate pair, which PostgreSQL cannot store',
      );
    for (const { key, kind } of members) {
      let counts = keys.get(key);
      if (counts === undefined) keys.set(key, (counts = { string: 0, number: 0, boolean: 0, null: 0, nested: 0 }));
      counts[kind]++;
    }
    options.onRow?.(members);
  };

  let rest: Buffer = Buffer.alloc(0);
  let first = true;
  for await (const chunk of openBytes(source, options.signal)) {
    let buffer: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (first) {
      first = false;
      assertText(buffer.subarray(0, 1 << 16), source.file, 'NDJSON');
      if (buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf) buffer = buffer.subarray(3);
    }
    let start = 0;
    for (let end = buffer.indexOf(LINE_END); end !== -1; end = buffer.indexOf(LINE_END, start)) {
      take(buffer.subarray(start, end));
      start = end + 1;
    }
    rest = buffer.subarray(start);
    if (rest.length > MAX_LINE_BYTES) throw longLine(source.file, line + 1);
    await options.onChunk?.();
  }
  if (rest.length > 0) take(rest);
  if (rows === 0 && options.mayBeEmpty !== true)
    throw new TerminalError(
      'ELT_FILE_EMPTY',
      `Reading ${source.file} failed: it is empty; expected one JSON object a line.`,
      {
        at: { file: source.file },
        next: 'Remove the file from the path or glob, or let its producer finish. The table keeps its former rows.',
      },
    );
  return { keys, rows, faults, lines };
}

function longLine(file: string, line: number): TerminalError {
  return new TerminalError(
    'ELT_FILE_MALFORMED',
    `Reading ${file} failed: a line is longer than 64 MiB; expected one JSON object a line.`,
    {
      at: { file, line },
      next: 'Write one object a line, for example with `jq -c ".[]"`.',
    },
  );
}

function holdsUnstorable(source: string): boolean {
  if (!source.includes('\\u')) return false;
  const unescaped = JSON.stringify(JSON.parse(source));
  // JSON.stringify writes lone surrogates and NUL, wherever they are, as escapes; everything else as itself.
  return /(^|[^\\])(\\\\)*\\u(0000|d[89a-f][0-9a-f]{2})/.test(unescaped);
}
