import { TerminalError } from '../../errors.js';
import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { findAnomalies, type Profile } from './find-anomalies.js';
import { profileHistory, tableProfile } from './table-profile.js';

interface Table {
  readonly schema: string;
  readonly name: string;
}

export interface Guarded {
  readonly rows: number;
  /** What later publications are compared with; absent when the guard is off. */
  readonly profile?: Profile;
  /** One sentence each. */
  readonly anomalies: readonly string[];
}

/**
 * Looks at a finished table before it takes the published one's place. Throws `ELT_SOURCE_EMPTY` when it would be empty and is not meant to, `ELT_ANOMALY`
 * when it is far from its own history and the project wants to fail then. A retry does not help: the same data are the same anomaly.
 */
export async function guardPublication(
  database: Queryable,
  work: {
    readonly env: string;
    readonly project: string;
    readonly resource: ResourceConfig;
    readonly built: Table;
    readonly columns: readonly string[];
    /** Of `built`, where it is known; else it is read once. */
    readonly known?: Profile;
    readonly target: Table;
    readonly isNew: boolean;
    /** A person has looked at it. */
    readonly accepted: boolean;
  },
): Promise<Guarded> {
  const { env, project, resource, built, target, accepted } = work;
  const { mode, history: most = 20, ...rule } = { mode: 'warn' as const, ...resource.anomaly };
  const profile = work.known ?? (await tableProfile(database, built, mode === 'off' ? [] : work.columns));
  const { rows } = profile;
  if (rows === 0 && !work.isNew && resource.allowEmpty !== true && !accepted)
    await refuseToEmpty(database, resource, target);
  if (mode === 'off') return { rows, anomalies: [] };
  const history = await profileHistory(database, { env, project, resource: resource.id }, most);
  const anomalies = findAnomalies(profile, history, rule);
  if (anomalies.length > 0 && mode === 'fail' && !accepted)
    throw anomalyError(resource, target, 'the new one', anomalies);
  return { rows, profile, anomalies };
}

async function refuseToEmpty(database: Queryable, resource: ResourceConfig, target: Table): Promise<void> {
  const [counted] = await database.query<{ rows: string }>(
    `SELECT row_count AS rows FROM plumbline.resource_versions WHERE table_schema = $1 AND table_name = $2 ORDER BY published_at DESC, version DESC LIMIT 1`,
    [target.schema, target.name],
  );
  if (Number(counted?.rows ?? 0) === 0) return;
  throw new TerminalError(
    'ELT_SOURCE_EMPTY',
    `Publishing ${target.schema}.${target.name} was stopped: ${resource.id} gave no row that can be loaded, and the table has ${counted!.rows}; it keeps them.`,
    {
      at: resource.at,
      next: 'See `plumbline rejects list` for rows that were refused; `plumbline run --accept-anomaly` empties the table, `allow_empty: true` always lets a source without rows do so.',
    },
  );
}

/** @param what is unusual: the new table, or what came in */
export function anomalyError(
  resource: ResourceConfig,
  target: Table,
  what: string,
  anomalies: readonly string[],
): TerminalError {
  return new TerminalError(
    'ELT_ANOMALY',
    `Publishing ${target.schema}.${target.name} was stopped, the table keeps its rows: ${what} has ${anomalies.join('; ')}.`,
    {
      at: resource.at,
      details: { anomalies },
      next: 'Look at the source. If it is right, `plumbline run --accept-anomaly` publishes it and begins a new history.',
    },
  );
}
