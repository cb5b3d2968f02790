import type { ColumnType } from '../../model/project.js';
import { nameColumns } from '../schema/name-columns.js';
import type { JsonKind } from './ndjson-line.js';
import { NONE, NULL, STRING, type JsonScan, type JsonScanOptions } from './json-rows.js';
import type { RowSource } from './row-source.js';
import { spoolRows } from './spool-rows.js';

export type ScanJson = (options?: JsonScanOptions) => Promise<JsonScan>;

export interface OpenJsonOptions {
  /** What the user calls the file. */
  readonly file: string;
  readonly folder: string;
  /** Types by key, which decide how a value is written. */
  readonly declared: ReadonlyMap<string, ColumnType>;
  /** Share of strings that a key of numbers may have and stay one. */
  readonly tolerance: number;
  readonly format: 'json' | 'ndjson';
  readonly signal?: AbortSignal | undefined;
  /** Types by key that the file's producer has stated. */
  readonly stated?: ReadonlyMap<string, ColumnType>;
  /** Keys that are columns though no row may have them. @default none */
  readonly optional?: readonly string[];
}

/**
 * Makes a CSV file of JSON records in `folder`: one column a key, numbers with every digit they are written with.
 * A key whose values are of several kinds, or objects or arrays, becomes jsonb; a JSON string is never taken for a number.
 *
 * @param scanRecords reads the file once, and the same each time
 */
export async function openJson(
  scanRecords: ScanJson,
  { file, folder, declared, tolerance, format, signal, stated: byKey, optional = [] }: OpenJsonOptions,
): Promise<RowSource> {
  const scan = await scanRecords({ signal });
  const keys = [...scan.keys.keys()];
  // A declared name is that of the column, which may be another than the key.
  const names = optional.length === 0 ? [] : nameColumns(keys, file).names;
  const unseen = optional.filter((name) => !names.includes(name));
  const headers = [...keys, ...unseen];
  const stated = headers.map((key) => byKey?.get(key));
  const kinds = headers.map((key) => columnKind(scan.keys.get(key) ?? NO_VALUES, tolerance));
  const asJson = headers.map((key, index) => (declared.get(key) ?? stated[index] ?? kinds[index]) === 'jsonb');

  const spooled = await spoolRows(
    folder,
    file,
    async (spool) => {
      await scanRecords({
        signal,
        onRow({ bytes, kinds, starts, ends }) {
          for (let column = 0; column < asJson.length; column++) {
            // The row knows nothing of keys that come later.
            const kind = kinds[column] ?? NONE;
            if (kind === NONE || kind === NULL) spool.addMissing();
            else if (kind === STRING && !asJson[column]!) spool.addJsonText(bytes, starts[column]!, ends[column]!);
            else spool.addJson(bytes, starts[column]!, ends[column]!, asJson[column]!);
          }
          spool.endRow();
        },
        onChunk: () => spool.drain(),
      });
      return { ...scan, headers };
    },
    signal,
  );
  return {
    ...spooled,
    types: kinds.map((kind, index) => stated[index] ?? kindTypes(kind).type),
    allowed: kinds.map((kind) => kindTypes(kind).allowed),
    dialect: { format },
    ...(unseen.length > 0 && { unseen }),
  };
}

/** The type that a column's kind says by itself, and those that its values may have where it says none. */
export function kindTypes(kind: JsonColumnKind): {
  readonly type?: ColumnType;
  readonly allowed?: readonly ColumnType[];
} {
  if (kind === 'jsonb' || kind === 'boolean') return { type: kind };
  return kind === 'string' ? { allowed: ['date', 'timestamp', 'timestamptz', 'text'] } : {};
}

const NO_VALUES = { string: 0, number: 0, boolean: 0, null: 0, nested: 0 };

export type JsonColumnKind = 'string' | 'number' | 'boolean' | 'jsonb';

/** @param counts how many values of a key are of each kind. @param tolerance as of `openJson` */
export function columnKind(counts: Readonly<Record<JsonKind, number>>, tolerance: number): JsonColumnKind {
  const total = counts.string + counts.number + counts.boolean + counts.nested;
  if (counts.nested === 0 && counts.boolean === 0 && counts.string <= tolerance * total && counts.number > 0)
    return 'number';
  if (counts.string === total) return 'string';
  return counts.boolean === total ? 'boolean' : 'jsonb';
}
