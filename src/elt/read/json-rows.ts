import { isUtf8 } from 'node:buffer';
import { LineIndex } from './line-index.js';
import { jsonMembers, type JsonKind, type JsonMember } from './ndjson-line.js';
import { keptText, type RowFault } from './row-fault.js';

export interface JsonScan {
  /** Keys in the order of their first appearance, with how often each kind of value occurs. */
  readonly keys: ReadonlyMap<string, Readonly<Record<JsonKind, number>>>;
  readonly rows: number;
  readonly faults: readonly RowFault[];
  readonly lines: LineIndex;
}

export interface JsonScanOptions {
  readonly signal?: AbortSignal | undefined;
  /** @default false */
  readonly mayBeEmpty?: boolean;
  readonly onRow?: (members: readonly JsonMember[]) => void;
  /** Called between chunks of the file; reading waits for it. */
  readonly onChunk?: () => Promise<void>;
}

/** Makes rows of JSON texts: what is no object, not UTF-8 or holds what PostgreSQL cannot store is a fault. */
export function collectJsonRows(onRow?: JsonScanOptions['onRow']): {
  readonly take: (bytes: Buffer, line: number) => void;
  readonly scan: () => JsonScan;
} {
  const keys = new Map<string, Record<JsonKind, number>>();
  const faults: RowFault[] = [];
  const lines = new LineIndex();
  let rows = 0;
  return {
    take(bytes, line) {
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
      const unstorable = members.find(({ key, source }) => /[\0\p{Surrogate}]/u.test(key) || holdsUnstorable(source));
      if (unstorable !== undefined)
        return fault(
          keptText(unstorable.key),
          keptText(unstorable.source),
          'holds a NUL character or half a surrogate pair, which PostgreSQL cannot store',
        );
      for (const { key, kind } of members) {
        let counts = keys.get(key);
        if (counts === undefined) keys.set(key, (counts = { string: 0, number: 0, boolean: 0, null: 0, nested: 0 }));
        counts[kind]++;
      }
      onRow?.(members);
    },
    scan: () => ({ keys, rows, faults, lines }),
  };
}

export function holdsUnstorable(source: string): boolean {
  if (!source.includes('\\u')) return false;
  const unescaped = JSON.stringify(JSON.parse(source));
  // JSON.stringify writes lone surrogates and NUL, wherever they are, as escapes; everything else as itself.
  return /(^|[^\\])(\\\\)*\\u(0000|d[89a-f][0-9a-f]{2})/.test(unescaped);
}
