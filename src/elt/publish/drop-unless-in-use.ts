import { ENDS_WHEN_FROZEN } from '../../model/brief-transaction.js';
import type { Session } from '../../model/database.js';
import { postgresCode } from './postgres-code.js';
import { sqlName, type TableName } from './table-name.js';

export interface DroppedRelation extends TableName {
  /** `pg_class.relkind`. */
  readonly kind: string;
}

/**
 * Drops a table or view in a transaction of its own, unless somebody holds it for longer than 200 ms (a `pg_dump` may
 * for hours, and whoever queues behind it holds up later readers), something depends on it, or `isFree` says no.
 *
 * @returns whether it is gone
 */
export async function dropUnlessInUse(
  session: Session,
  relation: DroppedRelation,
  isFree: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<boolean> {
  try {
    return await session.transaction(async () => {
      if (!(await isFree())) return false;
      await session.execute(`DROP ${relation.kind === 'v' ? 'VIEW' : 'TABLE'} IF EXISTS ${sqlName(relation)}`);
      return true;
    }, settings);
  } catch (error) {
    if (IN_USE.has(postgresCode(error))) return false;
    throw error;
  }
}

const settings = { ...ENDS_WHEN_FROZEN, lockTimeoutMs: 200 };

/** A lock that was not to be had, or a dependent that came in between. */
const IN_USE: ReadonlySet<string> = new Set(['55P03', '40P01', '2BP01']);
