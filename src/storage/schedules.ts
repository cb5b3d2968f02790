import type { Queryable } from '../model/database.js';
import type { AlertsConfig, ScheduleConfig } from '../model/project.js';
import { jsonb } from '../model/jsonb.js';

export interface ScheduleRow {
  readonly name: string;
  readonly definition: ScheduleConfig;
  /** Digest of the code bundle that it runs. */
  readonly bundle: string;
  /** Milliseconds since 1970: intervals that end after this are its own. */
  readonly since: number;
  readonly applied_by: string;
  /** Who is told of missed starts. */
  readonly alerts: AlertsConfig | null;
  readonly root: string | null;
  /** As the command line paused it; Temporal knows of others. */
  readonly paused: boolean;
  /** When the command line let it start again, milliseconds since 1970. */
  readonly resumedMs: number | null;
  readonly applied_at: string;
}

const COLUMNS = `name, definition, bundle, floor(extract(epoch FROM since) * 1000)::float8 AS since, applied_by, applied_at, alerts,
  root, paused, floor(extract(epoch FROM resumed_at) * 1000)::float8 AS "resumedMs"`;

interface ProjectKey {
  readonly env: string;
  readonly project: string;
}

export async function listSchedules(database: Queryable, { env, project }: ProjectKey): Promise<ScheduleRow[]> {
  return database.query<ScheduleRow>(
    `SELECT ${COLUMNS} FROM plumbline.schedules WHERE env = $1 AND project = $2 ORDER BY name`,
    [env, project],
  );
}

export async function findSchedule(
  database: Queryable,
  { env, project }: ProjectKey,
  name: string,
): Promise<ScheduleRow | undefined> {
  const [row] = await database.query<ScheduleRow>(
    `SELECT ${COLUMNS} FROM plumbline.schedules WHERE env = $1 AND project = $2 AND name = $3`,
    [env, project, name],
  );
  return row;
}

export async function saveSchedule(
  database: Queryable,
  { env, project }: ProjectKey,
  row: Omit<ScheduleRow, 'applied_at' | 'paused' | 'resumedMs'>,
): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.schedules (env, project, name, definition, bundle, since, applied_by, alerts, root)
     VALUES ($1, $2, $3, $4, $5, to_timestamp($6 / 1000.0), $7, $8, $9)
     ON CONFLICT (env, project, name) DO UPDATE
       SET definition = excluded.definition, bundle = excluded.bundle, since = excluded.since,
           applied_by = excluded.applied_by, applied_at = now(), alerts = excluded.alerts, root = excluded.root`,
    [env, project, row.name, jsonb(row.definition), row.bundle, row.since, row.applied_by, jsonb(row.alerts), row.root],
  );
}

/** Of every project and environment, for whoever watches over them. */
export async function allSchedules(
  database: Queryable,
): Promise<(ScheduleRow & { readonly env: string; readonly project: string; readonly appliedMs: number })[]> {
  return database.query(
    `SELECT env, project, ${COLUMNS}, extract(epoch FROM applied_at)::float8 * 1000 AS "appliedMs" FROM plumbline.schedules`,
  );
}

export async function markPaused(
  database: Queryable,
  { env, project }: ProjectKey,
  name: string,
  paused: boolean,
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.schedules SET paused = $4, resumed_at = CASE WHEN $4 THEN resumed_at ELSE clock_timestamp() END
     WHERE env = $1 AND project = $2 AND name = $3`,
    [env, project, name, paused],
  );
}

export async function deleteSchedule(database: Queryable, { env, project }: ProjectKey, name: string): Promise<void> {
  await database.execute('DELETE FROM plumbline.schedules WHERE env = $1 AND project = $2 AND name = $3', [
    env,
    project,
    name,
  ]);
}
