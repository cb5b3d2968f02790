import type { Queryable } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { Profile } from './find-anomalies.js';

/** Counts rows and NULLs in one pass over a table. */
export async function tableProfile(
  database: Queryable,
  table: { readonly schema: string; readonly name: string },
  columns: readonly string[],
): Promise<Profile> {
  const counts = columns.map((name, index) => `count(${identifier(name)})::float8 AS c${index}`);
  const [counted] = await database.query<Record<string, number>>(
    `SELECT ${['count(*)::float8 AS rows', ...counts].join(', ')} FROM ${qualified(table.schema, table.name)}`,
  );
  const rows = counted?.['rows'] ?? 0;
  const shares = columns.map((name, index) => [name, rows === 0 ? 0 : 1 - (counted?.[`c${index}`] ?? 0) / rows]);
  return { rows, nulls: Object.fromEntries(shares) as Record<string, number> };
}

/** Profiles of the newest publications, since the last one that was accepted although it was an anomaly. */
export async function profileHistory(
  database: Queryable,
  { env, project, resource }: { readonly env: string; readonly project: string; readonly resource: string },
  most: number,
): Promise<Profile[]> {
  const rows = await database.query<{ profile: Profile }>(
    `SELECT profile FROM plumbline.resource_versions AS v
     WHERE ${OF_RESOURCE} AND profile IS NOT NULL ORDER BY version DESC LIMIT $4`,
    [env, project, resource, most],
  );
  return rows.map(({ profile }) => profile);
}

/** Profiles of the newest batches that were written in the same way, since the last publication that was accepted although it was an anomaly. */
export async function batchHistory(
  database: Queryable,
  { env, project, resource }: { readonly env: string; readonly project: string; readonly resource: string },
  write: string,
  most: number,
): Promise<Profile[]> {
  const rows = await database.query<{ batches: readonly Profile[] }>(
    `SELECT batches FROM plumbline.resource_versions AS v
     WHERE ${OF_RESOURCE} AND batches IS NOT NULL AND write = $5 ORDER BY version DESC LIMIT $4`,
    [env, project, resource, most, write],
  );
  return rows.flatMap(({ batches }) => batches.toReversed()).slice(0, most);
}

const OF_RESOURCE = `env = $1 AND project = $2 AND resource = $3 AND version >= coalesce(
  (SELECT max(version) FROM plumbline.resource_versions WHERE env = $1 AND project = $2 AND resource = $3 AND anomaly_accepted), 0)`;
