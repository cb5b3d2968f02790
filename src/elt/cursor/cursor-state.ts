import type { Queryable, Session } from '../../model/database.js';
import type { CursorConfig } from '../../model/project.js';
import { laterCursor } from './cursor-value.js';

export interface CursorKey {
  readonly env: string;
  readonly project: string;
  readonly resource: string;
}

/** How far a resource is loaded; undefined before its first load, and when another field was its cursor until now. */
export async function readCursor(
  database: Queryable,
  { env, project, resource }: CursorKey,
  { field, type }: CursorConfig,
): Promise<string | undefined> {
  const [state] = await database.query<{ value: string }>(
    `SELECT value FROM plumbline.cursors
     WHERE env = $1 AND project = $2 AND resource = $3 AND field = $4 AND type = $5`,
    [env, project, resource, field, type],
  );
  return state?.value;
}

/**
 * Moves a cursor forward, in the transaction that publishes the rows up to there; a late run leaves it where it is. Where everything was asked for, it is
 * where that ends, be it further back: the source may have been made anew, and count from its beginning.
 *
 * @param move.from undefined when everything was asked for, whatever the cursor was
 */
export async function moveCursor(
  session: Session,
  key: CursorKey,
  config: CursorConfig,
  { from, to }: { readonly from: string | undefined; readonly to: string },
): Promise<void> {
  const former = from === undefined ? null : ((await readCursor(session, key, config)) ?? null);
  const value = laterCursor(config.type, former, to);
  await session.execute(
    `INSERT INTO plumbline.cursors (env, project, resource, field, type, value) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (env, project, resource) DO UPDATE
       SET field = excluded.field, type = excluded.type, value = excluded.value, moved_at = now()`,
    [key.env, key.project, key.resource, config.field, config.type, value],
  );
}
