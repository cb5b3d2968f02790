import type { SourceRow } from '../../model/define-source.js';
import type { ColumnType } from '../../model/project.js';

type Kind = 'text' | 'small' | ColumnType;

/** Writes rows as lines of JSON that loses nothing, and remembers what types each column has had. */
export interface RowEncoder {
  /** One line, without its end. Throws TypeError, with the key, for a value that no column can hold. */
  encode(row: SourceRow): string;
  /** The type of each column; null where its values are texts, or have no type in common. */
  columns(): Record<string, ColumnType | null>;
}

export function openRowEncoder(): RowEncoder {
  const kinds = new Map<string, Set<Kind>>();
  return {
    encode(row) {
      const members: string[] = [];
      for (const [key, value] of Object.entries(row)) {
        if (value === undefined) continue;
        let seen = kinds.get(key);
        if (seen === undefined) kinds.set(key, (seen = new Set()));
        const kind = kindOf(key, value);
        if (kind !== undefined) seen.add(kind);
        members.push(`${JSON.stringify(key)}:${encodeJson(value, key)}`);
      }
      return `{${members.join(',')}}`;
    },
    columns: () =>
      Object.fromEntries([...kinds].flatMap(([key, seen]) => (seen.size === 0 ? [] : [[key, commonOf(seen)]]))),
  };
}

/** JSON of any value: a `bigint` with every digit, NaN and infinities as texts. Throws TypeError for what JSON cannot have. */
export function encodeJson(value: unknown, key = 'value'): string {
  switch (typeof value) {
    case 'bigint':
      return String(value);
    case 'number':
      return Number.isFinite(value) ? String(value) : `"${value}"`;
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'undefined':
      return 'null';
    case 'object':
      return encodeObject(value, key);
    default:
      throw new TypeError(
        `${key} is a ${typeof value}, expected a text, a number, true, false, a Date, bytes, a list or an object`,
      );
  }
}

function encodeObject(value: object | null, key: string): string {
  if (value === null) return 'null';
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new TypeError(`${key} is an invalid Date, expected a time or null`);
    return JSON.stringify(value);
  }
  if (value instanceof Uint8Array) return JSON.stringify(`\\x${Buffer.from(value).toString('hex')}`);
  if (value instanceof ArrayBuffer) return encodeObject(new Uint8Array(value), key);
  const list = listOf(value);
  if (list !== undefined) return `[${list.map((one, index) => encodeJson(one, `${key}[${index}]`)).join(',')}]`;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return encodeJson((toJSON as () => unknown).call(value), key);
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  // A promise that nobody waits for would be an empty object.
  if (entries.length === 0 && !(value instanceof Map) && !isPlain(value))
    throw new TypeError(
      `${key} is a ${nameOf(value)}, expected a value that can be kept: a list or an object with keys`,
    );
  const members = entries
    .filter(([, one]) => one !== undefined)
    .map(([name, one]) => `${JSON.stringify(String(name))}:${encodeJson(one, `${key}.${String(name)}`)}`);
  return `{${members.join(',')}}`;
}

function listOf(value: object): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value as readonly unknown[];
  if (value instanceof Set) return [...(value as Set<unknown>)];
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? [...(value as Float64Array)] : undefined;
}

/** Whether an object is one of nobody's class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What a value is, for messages. */
export function nameOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return (value.constructor as { name?: string } | undefined)?.name || 'object';
}

function kindOf(key: string, value: unknown): Kind | undefined {
  if (value === null) return undefined;
  switch (typeof value) {
    case 'boolean':
      return 'boolean';
    case 'number':
      if (!Number.isInteger(value)) return 'double precision';
      return Number.isSafeInteger(value) ? 'small' : 'numeric';
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? 'bigint' : 'numeric';
    case 'string':
      return 'text';
    default:
      if (value instanceof Date) return 'timestamptz';
      if (value instanceof Uint8Array || value instanceof ArrayBuffer) return 'bytea';
      return encodeJson(value, key).startsWith('"') ? 'text' : 'jsonb';
  }
}

const COMMON: readonly (readonly [readonly Kind[], ColumnType])[] = [
  [['small', 'bigint'], 'bigint'],
  [['small', 'double precision'], 'double precision'],
  [['small', 'bigint', 'double precision', 'numeric'], 'numeric'],
];

function commonOf(kinds: ReadonlySet<Kind>): ColumnType | null {
  const [only] = kinds;
  if (kinds.size === 1 && only !== 'small' && only !== 'text') return only!;
  return COMMON.find(([group]) => [...kinds].every((kind) => group.includes(kind)))?.[1] ?? null;
}
