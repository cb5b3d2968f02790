import type { Queryable } from '../../model/database.js';
import type { PersonalColumn } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { findSalt, keyHash, keyHashSql, keyText, normalKey } from './key-hash.js';

export interface TakenOut {
  /** Rows of the stage. */
  readonly rows: number;
  /** Quarantined rows of the load. */
  readonly rejects: number;
}

/** Takes what belongs to forgotten keys out of a load that is complete and not visible yet. Call it in the transaction that counts. */
export async function takeOutForgotten(
  session: Queryable,
  options: {
    readonly env: string;
    readonly project: string;
    readonly personal: readonly PersonalColumn[];
    /** `schema.table`, quoted. */
    readonly stage: string;
    readonly loadId: string;
    readonly columns: readonly { readonly name: string; readonly type: string }[];
  },
): Promise<TakenOut> {
  const { env, project, personal, stage, loadId, columns } = options;
  let [rows, rejects] = [0, 0];
  const salt = personal.length === 0 ? undefined : await findSalt(session, env, project);
  if (salt === undefined) return { rows, rejects };
  for (const { key, column } of personal) {
    const index = columns.findIndex(({ name }) => name === column);
    if (index === -1) continue;
    const { type } = columns[index]!;
    const hash = keyHashSql('$1', keyText(`staged.${identifier(column)}`, type));
    const forgotten = `SELECT key_hash FROM plumbline.erasures WHERE env = $2 AND project = $3 AND key_name = $4 AND NOT dry_run`;
    rows += await session.execute(`DELETE FROM ${stage} AS staged WHERE ${hash} IN (${forgotten})`, [
      salt,
      env,
      project,
      key,
    ]);
    const hashes = await session.query<{ key_hash: string }>(forgotten.replace('$2', '$1').replace('$3', '$2').replace('$4', '$3'), [env, project, key]); // prettier-ignore
    const known = new Set(hashes.map(({ key_hash: one }) => one));
    rejects += await takeOutRejects(session, loadId, (values) => {
      const value = values[index];
      return typeof value === 'string' && known.has(keyHash(salt, normalKey(value, type)));
    });
  }
  return { rows, rejects };
}

/** Deletes quarantined rows whose values are known and which `isTheirs` names; gives their number, duplicates not counted. */
export async function takeOutRejects(
  session: Queryable,
  loadId: string,
  isTheirs: (values: readonly unknown[]) => boolean,
): Promise<number> {
  const kept = await session.query<{ row: string; raw: string }>(
    `SELECT row_number AS row, raw FROM plumbline.rejects WHERE load_id = $1 AND kind = 'rejected' AND raw LIKE '[%'`,
    [loadId],
  );
  const theirs = kept.filter(({ raw }) => isTheirs(valuesIn(raw)));
  if (theirs.length === 0) return 0;
  return session.execute('DELETE FROM plumbline.rejects WHERE load_id = $1 AND row_number = ANY($2::bigint[])', [
    loadId,
    theirs.map(({ row }) => row),
  ]);
}

/** Empty where only a part of the row's text was kept. */
export function valuesIn(raw: string): readonly unknown[] {
  try {
    return JSON.parse(raw) as unknown[];
  } catch {
    return [];
  }
}
