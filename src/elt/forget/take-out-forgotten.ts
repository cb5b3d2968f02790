import type { Queryable } from '../../model/database.js';
import type { PersonalColumn } from '../../model/project.js';
import { keyOfReject, type RejectedRow } from './key-of-reject.js';
import { findSalt, isForgottenSql, keyHash, normalKey } from './key-hash.js';

export interface TakenOut {
  /** Rows of the stage. */
  readonly rows: number;
  readonly rowNumbers: readonly string[];
  /** Quarantined rows of the load. */
  readonly rejects: number;
}

export interface ForgottenOptions {
  readonly env: string;
  readonly project: string;
  readonly personal: readonly PersonalColumn[];
  /** `schema.table`, quoted. */
  readonly stage: string;
  readonly loadId: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** Takes what belongs to forgotten keys out of a load that is complete and not visible yet. Call it in the transaction that counts. */
export async function takeOutForgotten(session: Queryable, options: ForgottenOptions): Promise<TakenOut> {
  const { env, project, personal, stage, loadId, columns } = options;
  const rowNumbers: string[] = [];
  let rejects = 0;
  const salt = personal.length === 0 ? undefined : await findSalt(session, env, project);
  if (salt === undefined) return { rows: rowNumbers.length, rowNumbers, rejects };
  for (const { key, column } of personal) {
    const index = columns.findIndex(({ name }) => name === column);
    if (index === -1) continue;
    const { type } = columns[index]!;
    const forgotten = isForgottenSql({ env, project, salt }, 'staged', [{ key, column, type }]);
    const gone = await session.query<{ row: string }>(
      `DELETE FROM ${stage} AS staged WHERE ${forgotten.sql} RETURNING _row_number AS row`,
      forgotten.parameters,
    );
    for (const { row } of gone) rowNumbers.push(row);
    const hashes = await session.query<{ key_hash: string }>(
      'SELECT key_hash FROM plumbline.erasures WHERE env = $1 AND project = $2 AND key_name = $3 AND NOT dry_run',
      [env, project, key],
    );
    const known = new Set(hashes.map(({ key_hash: one }) => one));
    const isForgotten = (found: string): boolean => known.has(keyHash(salt, normalKey(found, type)));
    rejects += await takeOutRejects(session, loadId, { name: column, index }, isForgotten);
    if (known.size > 0) await blankTexts(session, loadId, { name: column, index }, isForgotten);
  }
  return { rows: rowNumbers.length, rowNumbers, rejects };
}

/** Deletes quarantined rows whose key is known and which `isTheirs` names; gives their number, duplicates not counted. */
export async function takeOutRejects(
  session: Queryable,
  loadId: string,
  column: { readonly name: string; readonly index: number },
  isTheirs: (key: string) => boolean,
): Promise<number> {
  const kept = await session.query<RejectedRow & { row: string }>(
    `SELECT row_number AS row, file, raw FROM plumbline.rejects WHERE load_id = $1 AND kind = 'rejected' AND raw ~ '^[[{]'`,
    [loadId],
  );
  const theirs = kept.filter((row) => {
    const key = keyOfReject(row, column);
    return typeof key === 'string' && isTheirs(key);
  });
  return deleteRejects(session, loadId, theirs.map(({ row }) => row)); // prettier-ignore
}

/** Takes the text out of quarantined rows of which nothing says the key and which have a forgotten one as a word or a field. They stay rejected. */
async function blankTexts(
  session: Queryable,
  loadId: string,
  column: { readonly name: string; readonly index: number },
  isForgotten: (key: string) => boolean,
): Promise<void> {
  const kept = await session.query<RejectedRow & { row: string; raw: string }>(
    `SELECT row_number AS row, file, raw FROM plumbline.rejects
     WHERE load_id = $1 AND kind = 'rejected' AND (raw !~ '^[[{]' OR length(raw) > 10000)`,
    [loadId],
  );
  const theirs = kept.filter((row) => keyOfReject(row, column) === undefined && partsOf(row.raw).some(isForgotten));
  if (theirs.length > 0)
    await session.execute(
      'UPDATE plumbline.rejects SET raw = NULL, value = NULL WHERE load_id = $1 AND row_number = ANY($2::bigint[])',
      [loadId, theirs.map(({ row }) => row)],
    );
}

/** Where a key may stand in a text. */
function partsOf(text: string): string[] {
  const words = text.match(/[\p{L}\p{N}_]+/gu) ?? [];
  const fields = text.split(/[,;|\t\n"]/).map((field) => field.trim());
  return [...new Set([...words, ...fields, ...text.split(/[\s,;|"]+/)])];
}

async function deleteRejects(session: Queryable, loadId: string, rows: readonly string[]): Promise<number> {
  if (rows.length === 0) return 0;
  return session.execute(
    `DELETE FROM plumbline.rejects WHERE load_id = $1 AND kind = 'rejected' AND row_number = ANY($2::bigint[])`,
    [loadId, rows],
  );
}

/**
 * The same for quarantined rows that are in a stage to be tried again: those of forgotten keys leave stage and quarantine, and the load counts
 * them as forgotten. Call it before the stage is compared with the quarantine, in the transaction that publishes.
 */
export async function takeOutRetried(session: Queryable, options: ForgottenOptions): Promise<void> {
  const { loadId } = options;
  const { rowNumbers, rejects } = await takeOutForgotten(session, options);
  const taken = rejects + (await deleteRejects(session, loadId, rowNumbers));
  if (taken > 0)
    await session.execute(
      `UPDATE plumbline.loads SET rows_rejected = rows_rejected - $2::bigint, rows_forgotten = rows_forgotten + $2::bigint WHERE load_id = $1`,
      [loadId, taken],
    );
}
