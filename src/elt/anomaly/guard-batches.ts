import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { findAnomalies, type Profile } from './find-anomalies.js';
import { anomalyError } from './guard-publication.js';
import { batchHistory, tableProfile } from './table-profile.js';

interface Table {
  readonly schema: string;
  readonly name: string;
}

/** Rows that come in together: a file, or everything that another source was asked for at once. */
export interface Batch {
  /** Of a file, its path; empty where there is nothing to tell it by. */
  readonly name: string;
  readonly stages: readonly { readonly table: Table; readonly names: readonly string[] }[];
}

export interface GuardedBatches {
  /** What later batches are compared with; absent when nothing was looked at. */
  readonly batches?: readonly Profile[];
  /** One sentence each. */
  readonly anomalies: readonly string[];
}

/**
 * Looks at what `append` or `merge` would bring into a table, against what came in before: the rows and the share of NULLs of each batch.
 * Reads the stages once, and nothing where the project does not ask for it. Throws `ELT_ANOMALY` (terminal) when the project wants to fail.
 */
export async function guardBatches(
  database: Queryable,
  work: {
    readonly env: string;
    readonly project: string;
    readonly resource: ResourceConfig;
    readonly target: Table;
    /** Of the target: one that a batch lacks is NULL in all of its rows. */
    readonly columns: readonly string[];
    readonly batches: readonly Batch[];
    /** A person has looked at it. */
    readonly accepted: boolean;
  },
): Promise<GuardedBatches> {
  const { env, project, resource, target, columns, batches, accepted } = work;
  const { mode, history: most = 20, ...rule } = { mode: 'off' as const, ...resource.anomaly };
  if (mode === 'off' || batches.length === 0) return { anomalies: [] };
  const history = await batchHistory(database, { env, project, resource: resource.id }, resource.write, most);
  const profiles: Profile[] = [];
  const anomalies: string[] = [];
  for (const batch of batches) {
    const profile = await batchProfile(database, batch, columns);
    profiles.push(profile);
    const prefix = batch.name === '' ? '' : `${batch.name}: `;
    anomalies.push(
      ...findAnomalies(profile, history, { ...rule, counted: 'loads' }).map((anomaly) => `${prefix}${anomaly}`),
    );
  }
  if (anomalies.length > 0 && mode === 'fail' && !accepted)
    throw anomalyError(resource, target, 'what came in', anomalies);
  return { batches: profiles, anomalies };
}

/** Without a row no column is NULL in any. */
async function batchProfile(database: Queryable, { stages }: Batch, columns: readonly string[]): Promise<Profile> {
  const parts: Profile[] = [];
  for (const { table, names } of stages) parts.push(await tableProfile(database, table, names));
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  if (rows === 0) return { rows, nulls: {} };
  const names = new Set([...columns, ...stages.flatMap((stage) => stage.names)]);
  const nullRows = (name: string): number => parts.reduce((sum, part) => sum + part.rows * (part.nulls[name] ?? 1), 0);
  return { rows, nulls: Object.fromEntries([...names].map((name) => [name, nullRows(name) / rows])) };
}
