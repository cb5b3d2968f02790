import { setTimeout as sleep } from 'node:timers/promises';
import { postgresCode } from './postgres-code.js';

/**
 * True for what PostgreSQL says when another transaction changed a relation between two catalog look-ups of one
 * statement: a view read by name and then by an id that is gone. The same statement passes a moment later.
 */
export function isCatalogRace(error: unknown): boolean {
  return (
    error instanceof Error &&
    postgresCode(error) === 'XX000' &&
    /could not open relation with OID|cache lookup failed|tuple concurrently (updated|deleted)/.test(error.message)
  );
}

/** Repeats `work` while the catalog moves under it, at most 20 times in about 2 s. */
export async function retryCatalogRace<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isCatalogRace(error) || attempt === 20) throw error;
      await sleep(10 * attempt);
    }
  }
}
