import { keyInRecord, singerRecord } from './key-in-record.js';

export interface RejectedRow {
  readonly raw: string | null;
  readonly file: string;
}

/** The key of a quarantined row; null when it has none, undefined where that cannot be told, as only a part of its text was kept. */
export function keyOfReject(
  { raw, file }: RejectedRow,
  { name, index }: { readonly name: string; readonly index: number },
): string | null | undefined {
  if (raw === null) return undefined;
  try {
    if (raw.startsWith('{')) return keyInRecord(raw, name, file) ?? keyInRecord(singerRecord(raw) ?? '{}', name, file);
    const values = JSON.parse(raw) as unknown;
    if (!Array.isArray(values) || index === -1 || values.length <= index) return undefined;
    const value: unknown = values[index];
    return typeof value === 'string' ? value : null;
  } catch {
    return undefined;
  }
}
