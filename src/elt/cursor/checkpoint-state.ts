import { TransientError } from '../../errors.js';
import type { Queryable, Session } from '../../model/database.js';
import type { CursorKey } from './cursor-state.js';

const FIELD = 'checkpoint';

/** Where a source that says so itself goes on from, as JSON text; undefined before its first load. */
export async function readCheckpoint(
  database: Queryable,
  { env, project, resource }: CursorKey,
): Promise<string | undefined> {
  const [state] = await database.query<{ value: string }>(
    `SELECT value FROM plumbline.cursors WHERE env = $1 AND project = $2 AND resource = $3 AND type = 'json'`,
    [env, project, resource],
  );
  return state?.value;
}

/**
 * Sets a checkpoint, in the transaction that publishes the rows it stands for. Throws `ELT_LOAD_FENCED` (transient) when
 * it is no longer the one that the rows were asked from: another load was first, and these rows may be there already.
 *
 * @param move.from undefined when everything was asked for, whatever the checkpoint was
 */
export async function moveCheckpoint(
  session: Session,
  key: CursorKey,
  move: { readonly from: string | undefined; readonly to: string },
): Promise<void> {
  const { env, project, resource } = key;
  const at = [env, project, resource];
  if (move.from === undefined) {
    await session.execute(
      `INSERT INTO plumbline.cursors (env, project, resource, field, type, value) VALUES ($1, $2, $3, $4, 'json', $5)
       ON CONFLICT (env, project, resource) DO UPDATE
         SET field = excluded.field, type = excluded.type, value = excluded.value, moved_at = now()`,
      [...at, FIELD, move.to],
    );
    return;
  }
  const moved = await session.execute(
    `UPDATE plumbline.cursors SET value = $4, moved_at = now()
     WHERE env = $1 AND project = $2 AND resource = $3 AND type = 'json' AND value = $5`,
    [...at, move.to, move.from],
  );
  if (moved !== 1)
    throw new TransientError(
      'ELT_LOAD_FENCED',
      `Publishing ${resource} failed: its checkpoint was moved since these rows were read; nothing was changed.`,
      { details: { resource }, next: 'Run the load again: it goes on from the checkpoint that is there now.' },
    );
}

/** The next load that asks for a checkpoint starts from the beginning. */
export async function forgetCheckpoint(session: Session, { env, project, resource }: CursorKey): Promise<void> {
  await session.execute(
    `DELETE FROM plumbline.cursors WHERE env = $1 AND project = $2 AND resource = $3 AND type = 'json'`,
    [env, project, resource],
  );
}
