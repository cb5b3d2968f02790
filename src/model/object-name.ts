import { createHash } from 'node:crypto';

const WITH_PARAMETERS = /^(https?:\/\/[^?#]+)\?(?!…)(.*)$/is;
// What is told apart is the addresses of one resource.
const DIGITS = 12;

/**
 * What a raw object is called in histories, logs, the ledger and records: its path, and of an http(s) address the beginning of the
 * SHA-256 of its parameters in their place, which may be a key: `https://a.example/b.csv?…3f0c9a1be2d4`. A name stays as it is.
 * The whole address is in the project, in the inventory and in the manifest.
 */
export function objectName(path: string): string {
  const [, address, parameters] = WITH_PARAMETERS.exec(path) ?? [];
  if (address === undefined || parameters === undefined) return path;
  return `${address}?…${createHash('sha256').update(parameters).digest('hex').slice(0, DIGITS)}`;
}
