import { isUtf8 } from 'node:buffer';
import { TerminalError } from '../../errors.js';
import { assertColumns } from '../schema/name-columns.js';
import type { JsonRecord } from './json-document.js';
import { FaultList } from './fault-list.js';
import { LineIndex } from './line-index.js';
import { jsonMembers, text, type JsonKind } from './ndjson-line.js';
import { keptText, type RowFault } from './row-fault.js';
import { ObjectPlaces, PLACES, scanObject } from './scan-object.js';

export interface JsonScan {
  /** Keys in the order of their first appearance, with how often each kind of value occurs. */
  readonly keys: ReadonlyMap<string, Readonly<Record<JsonKind, number>>>;
  readonly rows: number;
  readonly faults: readonly RowFault[];
  readonly lines: LineIndex;
}

/** The values of a record where they lie, by the place of their key in `JsonScan.keys`. Of use during the call only. */
export interface JsonRow {
  readonly bytes: Buffer;
  /** `NONE` where the record has no such key; of a repeated key the last value counts. */
  readonly kinds: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

export interface JsonScanOptions {
  readonly signal?: AbortSignal | undefined;
  /** @default false */
  readonly mayBeEmpty?: boolean;
  readonly onRow?: (row: JsonRow) => void;
  /** Called between chunks of the file; reading waits for it. */
  readonly onChunk?: () => Promise<void>;
}

export const NONE = 0;
export const STRING = 1;
export const NUMBER = 2;
export const BOOLEAN = 3;
export const NULL = 4;
export const NESTED = 5;

/** What a value begins with says what it is. */
const KIND_OF_BYTE = new Uint8Array(256).fill(NUMBER);
for (const [bytes, kind] of [['"', STRING], ['{[', NESTED], ['tf', BOOLEAN], ['n', NULL]] as const)
  for (const byte of Buffer.from(bytes)) KIND_OF_BYTE[byte] = kind; // prettier-ignore

const MOST_PARSED = 1 << 20;
/** A file that is no JSON has as many faults as lines, and each is kept in memory: it is not read to its end. */
const MOST_FIRST_FAULTS = 10_000;

/** Makes rows of JSON texts: what is no object, not UTF-8 or holds what PostgreSQL cannot store is a fault. */
export function collectJsonRows(
  file: string,
  onRow?: JsonScanOptions['onRow'],
): {
  readonly take: (record: JsonRecord) => void;
  /** Throws `ELT_COLUMN_LIMIT` or `ELT_FILE_MALFORMED` where the rows so far show that they are none of a table; a retry does not help. */
  readonly check: (mayHaveNoObject?: boolean) => void;
  readonly scan: () => JsonScan;
} {
  const columns = new Columns();
  const faults = new FaultList(file);
  const lines = new LineIndex();
  const own = new ObjectPlaces();
  let rows = 0;
  /** Before any object. */
  let firstFaults = 0;

  /** Looks at the record as a text, which takes longer and says what is wrong. Gives its bytes where nothing is. */
  const look = (bytes: Buffer, row: number, line: number, record: string): Buffer | undefined => {
    const fault = (column: string | null, value: string | null, reason: string): undefined => {
      faults.add({ row, line, column, value, reason, raw: keptText(record) });
      if (faults.all.length === row) firstFaults = row;
    };
    if (!isUtf8(bytes)) return fault(null, null, 'not valid UTF-8');
    // What JSON.parse would say of a long text takes many times its memory.
    if (record.length > MOST_PARSED && !isOneObject(Buffer.from(record), own))
      return fault(null, null, 'not a JSON object');
    let members;
    try {
      members = jsonMembers(record);
    } catch (error) {
      return fault(null, null, `not a JSON object: ${(error as Error).message}`);
    }
    const unstorable = members.find(({ key, source }) => /[\0\p{Surrogate}]/u.test(key) || holdsUnstorable(source));
    if (unstorable === undefined) return Buffer.from(record);
    return fault(
      keptText(unstorable.key),
      keptText(unstorable.source),
      'holds a NUL character or half a surrogate pair, which PostgreSQL cannot store',
    );
  };

  const give = (bytes: Buffer, places: ObjectPlaces): void => {
    columns.take(bytes, places);
    onRow?.({ bytes, kinds: columns.kinds, starts: columns.starts, ends: columns.ends });
  };

  return {
    take({ bytes, start, end, line, places }) {
      const from = places === undefined ? behindBlanks(bytes, start, end) : start;
      // A blank line is no row.
      if (from === end) return;
      const part = bytes.subarray(from, end);
      const isObject = places !== undefined || isOneObject(part, own);
      const found = places ?? own;
      if (isObject && !found.hasUnstorable && (found.isAscii || isUtf8(part))) {
        lines.add(++rows, line);
        give(places === undefined ? part : bytes, found);
        return;
      }
      const record = part.toString('utf8').trim();
      if (record === '') return;
      lines.add(++rows, line);
      const sound = look(part, rows, line, record);
      if (sound === undefined) return;
      // Without blanks that are none of JSON's it is an object.
      if (!isOneObject(sound, own)) throw new Error(`Line ${line} is a JSON object and was not read as one.`);
      give(sound, own);
    },
    check(mayHaveNoObject = false) {
      // Where keys are data there are as many as rows, and each row has a value of each.
      assertColumns(columns.count, file);
      if (firstFaults >= MOST_FIRST_FAULTS && !mayHaveNoObject)
        throw withoutObjects(file, firstFaults, faults.all[0]!.line);
    },
    scan: () => ({ keys: columns.keys(), rows, faults: faults.all, lines }),
  };
}

function withoutObjects(file: string, rows: number, line: number | null): TerminalError {
  return new TerminalError(
    'ELT_FILE_MALFORMED',
    `Reading ${file} failed: none of its first ${rows} rows can be read as a JSON object.`,
    {
      at: { file, ...(line !== null && { line }) },
      next: 'Set `format` of the resource to what the file is, or `records` to where its list of objects is.',
    },
  );
}

/** The columns that records have had so far, and where the newest record has its values. */
class Columns {
  kinds = new Uint8Array(64);
  starts = new Int32Array(64);
  ends = new Int32Array(64);
  readonly #columns: { readonly key: string; readonly bytes: Buffer; readonly counts: Float64Array }[] = [];
  readonly #byKey = new Map<string, number>();
  /** The column of each member of the record before: most records have the same keys in the same order. */
  #expected: number[] = [];

  get count(): number {
    return this.#columns.length;
  }

  take(bytes: Buffer, { count, at }: ObjectPlaces): void {
    this.kinds.fill(NONE);
    for (let member = 0; member < count; member++) {
      const place = PLACES * member;
      const column = this.#columnOf(bytes, at[place]! + 1, at[place + 1]! - 1, member);
      const start = at[place + 2]!;
      const kind = KIND_OF_BYTE[bytes[start]!]!;
      const { counts } = this.#columns[column]!;
      if (this.kinds[column] !== NONE) counts[this.kinds[column]!]!--;
      counts[kind]!++;
      this.kinds[column] = kind;
      this.starts[column] = start;
      this.ends[column] = at[place + 3]!;
    }
  }

  keys(): Map<string, Record<JsonKind, number>> {
    return new Map(
      this.#columns.map(({ key, counts }) => [
        key,
        {
          string: counts[STRING]!,
          number: counts[NUMBER]!,
          boolean: counts[BOOLEAN]!,
          null: counts[NULL]!,
          nested: counts[NESTED]!,
        },
      ]),
    );
  }

  #columnOf(bytes: Buffer, start: number, end: number, member: number): number {
    const expected = this.#expected[member];
    if (expected !== undefined && isSame(this.#columns[expected]!.bytes, bytes, start, end)) return expected;
    const key = text(bytes.toString('utf8', start - 1, end + 1));
    const column = this.#byKey.get(key) ?? this.#add(key, Buffer.from(bytes.subarray(start, end)));
    this.#expected[member] = column;
    return column;
  }

  #add(key: string, bytes: Buffer): number {
    const column = this.#columns.length;
    this.#columns.push({ key, bytes, counts: new Float64Array(NESTED + 1) });
    this.#byKey.set(key, column);
    if (column === this.kinds.length) {
      this.kinds = grown(this.kinds, new Uint8Array(2 * column));
      this.starts = grown(this.starts, new Int32Array(2 * column));
      this.ends = grown(this.ends, new Int32Array(2 * column));
    }
    return column;
  }
}

function grown<T extends Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function isSame(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let index = 0; index < known.length; index++) if (known[index] !== bytes[start + index]) return false;
  return true;
}

function behindBlanks(bytes: Buffer, from: number, end: number): number {
  let index = from;
  while (index < end && BLANKS.has(bytes[index]!)) index++;
  return index;
}

const BLANKS: ReadonlySet<number> = new Set(Buffer.from(' \t\r\n'));

function isOneObject(bytes: Buffer, places: ObjectPlaces): boolean {
  const end = scanObject(bytes, 0, places);
  return end !== -1 && behindBlanks(bytes, end, bytes.length) === bytes.length;
}

const looked = new ObjectPlaces();

/** @param source of one JSON value, as deep as it may be */
export function holdsUnstorable(source: string): boolean {
  if (!source.includes('\\u')) return false;
  scanObject(Buffer.from(`{"":${source}}`), 0, looked);
  return looked.hasUnstorable;
}
