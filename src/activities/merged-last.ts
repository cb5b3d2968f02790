import type { LoadSummary } from '../contracts/elt.js';
import type { RunRef } from '../contracts/run.js';
import { stepNames } from '../contracts/step-names.js';
import type { Queryable } from '../model/database.js';
import type { ResourceConfig } from '../model/project.js';
import { newestResult } from '../storage/step-results.js';
import { loadInputs, type Reusable } from './fingerprint.js';

/**
 * The outcome of the newest load, when it merged just these rows: taps send again what ties with their state, and to merge it once more
 * changes nothing. Undefined when anything else is there to do.
 */
export async function mergedLast(
  database: Queryable,
  run: RunRef,
  resource: ResourceConfig,
  objects: readonly { readonly sha256: string }[],
): Promise<Reusable<LoadSummary> | undefined> {
  if (run.force || resource.type !== 'singer') return undefined;
  const newest = await newestResult<LoadSummary>(database, run.env, run.project, stepNames.load(resource.id));
  const now = loadInputs(resource, []);
  const isSame =
    newest !== undefined &&
    Object.entries(now).every(([name, value]) => newest.inputs[name] === value) &&
    newest.result.objects.length === objects.length &&
    newest.result.objects.every(({ sha256 }, index) => sha256 === objects[index]!.sha256);
  if (!isSame) return undefined;
  // What the stream's key made of it: rows that are appended are new ones even when they are alike.
  const [version] = await database.query<{ write: string }>(
    `SELECT write FROM plumbline.resource_versions WHERE env = $1 AND project = $2 AND resource = $3 ORDER BY version DESC LIMIT 1`,
    [run.env, run.project, resource.id],
  );
  return version?.write === 'merge' ? { result: newest.result, reason: 'the same rows came again' } : undefined;
}
