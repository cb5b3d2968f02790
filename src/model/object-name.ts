import { createHash } from 'node:crypto';

const WITH_PARAMETERS = /^(https?:\/\/[^?#]+)\?(?!…)(.*)$/is;
// Two addresses of one name would be one load: 128 bits, which nobody finds twice.
const DIGITS = 32;

/**
 * What a raw object is called in histories, logs, the ledger and records: its path, and of an http(s) address the beginning of the
 * SHA-256 of its parameters in their place, which may be a key: `https://a.example/b.csv?…3f0c9a1be2d45c7be1f00d9a4e6b8a21`. A name stays as it is.
 * The whole address is in the project, in the inventory and in the manifest.
 */
export function objectName(path: string): string {
  const [, address, parameters] = WITH_PARAMETERS.exec(path) ?? [];
  if (address === undefined || parameters === undefined) return path;
  return `${address}?…${createHash('sha256').update(parameters).digest('hex').slice(0, DIGITS)}`;
}

/** The object under its name, as it goes into histories and records. One that has its name already stays as it is. */
export function withObjectName<T extends { readonly path: string }>(object: T): T {
  return { ...object, path: objectName(object.path) };
}
