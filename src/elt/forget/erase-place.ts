import { failpoint } from '../../failpoint.js';
import type { SharedStore } from '../../model/artifact.js';
import type { Database, Queryable, Session } from '../../model/database.js';
import type { PersonalKey, Project } from '../../model/project.js';

export interface ErasedPlace {
  readonly kind: 'table' | 'predictions' | 'quarantine' | 'raw object' | 'training set' | 'run logs' | 'messages';
  /** `schema.table`, a load, a file. */
  readonly place: string;
  readonly rows: number;
  readonly outcome: 'deleted' | 'rewritten';
}

/** A deletion at work. */
export interface Erasure {
  readonly database: Database;
  readonly store: SharedStore;
  readonly project: Pick<Project, 'name' | 'env' | 'schemas' | 'resources' | 'personal'>;
  readonly erasureId: string;
  readonly key: PersonalKey;
  readonly value: string;
  /** The value, and how the columns of the key's sources write it. */
  readonly spellings: readonly string[];
  /** Counts, and changes nothing. */
  readonly dryRun: boolean;
  /** Called in each transaction that deletes: throws when another run has the project by now. */
  readonly fence: (session: Queryable) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** One transaction around a deletion and its count; a dry run rolls it back and keeps the count. */
export async function erase(
  work: Erasure,
  kind: ErasedPlace['kind'],
  place: string,
  remove: (session: Session) => Promise<number>,
  outcome: ErasedPlace['outcome'] = 'deleted',
): Promise<number> {
  const { database, erasureId, dryRun, fence, signal } = work;
  signal?.throwIfAborted();
  const undo = new Error('rolled back on purpose');
  let rows = 0;
  await database
    .transaction(
      async (session) => {
        rows = await remove(session);
        if (dryRun) throw undo;
        await fence(session);
        await count(session, erasureId, kind, place, rows, outcome);
        await failpoint('forget.before-commit');
      },
      { lockTimeoutMs: 30_000 },
    )
    .catch((error: unknown) => {
      if (error !== undo) throw error;
    });
  if (dryRun) await count(database, erasureId, kind, place, rows, outcome);
  await failpoint('forget.after-commit');
  return rows;
}

async function count(
  session: Queryable,
  erasureId: string,
  kind: string,
  place: string,
  rows: number,
  outcome: string,
): Promise<void> {
  await session.execute(
    `INSERT INTO plumbline.erased (erasure_id, kind, place, row_count, outcome) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (erasure_id, kind, place) DO UPDATE SET row_count = erased.row_count + excluded.row_count`,
    [erasureId, kind, place, rows, outcome],
  );
}

/** Without length or scale. Null when the table has no such column, undefined when there is no such table. */
export async function columnType(
  database: Queryable,
  schema: string,
  table: string,
  column: string,
): Promise<string | null | undefined> {
  const [row] = await database.query<{ type: string | null }>(
    `SELECT (SELECT format_type(a.atttypid, -1) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attname = $3 AND a.attnum > 0 AND NOT a.attisdropped) AS type
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`,
    [schema, table, column],
  );
  return row === undefined ? undefined : row.type;
}
