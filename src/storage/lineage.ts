import type { Queryable } from '../model/database.js';
import { isReplacedSql } from '../model/is-replaced-sql.js';

/** One recorded outcome of a step, found by what it was made from. */
export interface LineageStep {
  readonly step: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly result: Readonly<Record<string, unknown>>;
  readonly run_id: string;
}

export interface PredictionOrigin {
  readonly prediction_id: string;
  readonly model: string;
  readonly version: number;
  readonly at: string;
  readonly prediction: number;
}

const STEP = 'step, inputs, result, run_id';

/** A load or a build by the version its readers name. */
export async function stepByVersion(
  database: Queryable,
  env: string,
  project: string,
  step: string,
  version: string,
): Promise<LineageStep | undefined> {
  const [row] = await database.query<LineageStep>(
    `SELECT ${STEP} FROM plumbline.step_results WHERE env = $1 AND project = $2 AND step = $3 AND result ->> 'version' = $4
     ORDER BY created_at DESC LIMIT 1`,
    [env, project, step, version],
  );
  return row;
}

export interface LoadedObject {
  readonly path: string;
  readonly sha256: string;
  readonly loadId: string;
}

/**
 * All loads whose rows a version of a loaded table has, the oldest first: also those that earlier publications brought in, where rows are added. Of a table
 * that rows are merged into, also those of which no row may be left.
 */
export async function loadsOfVersion(
  database: Queryable,
  env: string,
  project: string,
  resource: string,
  version: string,
): Promise<LoadedObject[]> {
  return database.query<LoadedObject>(
    `WITH asked AS (
       SELECT v.version, v.write, v.published_at, EXISTS (
         SELECT FROM plumbline.resource_versions AS later
         WHERE env = $1 AND project = $2 AND resource = $3 AND later.version > v.version) AS is_former FROM plumbline.resource_versions AS v,
         (SELECT created_at FROM plumbline.step_results
          WHERE env = $1 AND project = $2 AND step = 'load:' || $3 AND result ->> 'version' = $4 ORDER BY created_at DESC LIMIT 1) AS s
       WHERE env = $1 AND project = $2 AND resource = $3 AND v.published_at <= s.created_at ORDER BY v.version DESC LIMIT 1),
     whole AS (
       SELECT v.load_ids, v.published_at FROM plumbline.resource_versions AS v, asked
       WHERE env = $1 AND project = $2 AND resource = $3 AND v.version <= asked.version AND v.write = 'replace' ORDER BY v.version DESC LIMIT 1)
     SELECT l.path, l.sha256, l.load_id AS "loadId" FROM plumbline.loads AS l CROSS JOIN asked LEFT JOIN whole ON true
     WHERE env = $1 AND project = $2 AND resource = $3 AND l.published_at <= asked.published_at
       AND (whole.published_at IS NULL OR l.published_at > whole.published_at OR l.load_id IN (SELECT unnest(load_ids) FROM whole))
       AND (l.status = 'published' OR asked.write = 'merge' OR asked.is_former AND NOT ${isReplacedSql('asked.published_at')})
     ORDER BY l.load_id`,
    [env, project, resource, version],
  );
}

/** The training set a model was trained on, by its content hash. */
export async function trainingSetStep(
  database: Queryable,
  env: string,
  project: string,
  sha256: string,
): Promise<LineageStep | undefined> {
  const [row] = await database.query<LineageStep>(
    `SELECT ${STEP} FROM plumbline.step_results
     WHERE env = $1 AND project = $2 AND step LIKE 'features:%' AND result #>> '{trainingSet,artifact,sha256}' = $3
     ORDER BY created_at DESC LIMIT 1`,
    [env, project, sha256],
  );
  return row;
}

export interface BatchObject {
  readonly url: string;
  readonly sha256: string;
}

/** The raw objects that lists of an inventory's batches name, by list; what is no such list has none. */
export async function objectsOfBatches(
  database: Queryable,
  lists: readonly string[],
): Promise<ReadonlyMap<string, readonly BatchObject[]>> {
  const rows = await database.query<BatchObject & { readonly list: string }>(
    'SELECT list_sha256 AS list, url, sha256 FROM plumbline.batch_objects WHERE list_sha256 = ANY($1) ORDER BY list_sha256, place',
    [lists],
  );
  const found = new Map<string, BatchObject[]>();
  for (const { list } of rows) found.set(list, []);
  for (const { list, ...object } of rows) found.get(list)!.push(object);
  return found;
}

/** Loads that took a raw object in, by itself or in a batch. */
export async function loadsOfObject(
  database: Queryable,
  env: string,
  project: string,
  sha256: string,
): Promise<LineageStep[]> {
  return database.query<LineageStep>(
    `SELECT ${STEP} FROM plumbline.step_results
     WHERE env = $1 AND project = $2 AND step LIKE 'load:%' AND EXISTS (
       SELECT 1 FROM (SELECT $3::text AS loaded UNION SELECT list_sha256 FROM plumbline.batch_objects WHERE sha256 = $3) AS of_object
       WHERE result -> 'objects' @> jsonb_build_array(jsonb_build_object('sha256', loaded)))
     ORDER BY created_at DESC`,
    [env, project, sha256],
  );
}

/** What a raw object is called: its path, or its address. */
export async function nameOfObject(
  database: Queryable,
  env: string,
  project: string,
  sha256: string,
): Promise<string | undefined> {
  const [row] = await database.query<{ path: string }>(
    `SELECT path FROM plumbline.raw_objects WHERE env = $1 AND project = $2 AND sha256 = $3 ORDER BY seen_at DESC LIMIT 1`,
    [env, project, sha256],
  );
  return row?.path;
}

/** Steps that read a given outcome: its name (`ref demand`, `source rides`) and version are among their inputs. */
export async function readersOf(
  database: Queryable,
  env: string,
  project: string,
  name: string,
  version: string,
): Promise<LineageStep[]> {
  return database.query<LineageStep>(
    `SELECT ${STEP} FROM plumbline.step_results
     WHERE env = $1 AND project = $2 AND inputs @> jsonb_build_object($3::text, $4::text) ORDER BY created_at DESC`,
    [env, project, name, version],
  );
}

export async function findPrediction(
  database: Queryable,
  env: string,
  project: string,
  id: string,
): Promise<PredictionOrigin | undefined> {
  const [row] = await database.query<PredictionOrigin>(
    `SELECT prediction_id, model, version, at, prediction FROM plumbline.predictions
     WHERE env = $1 AND project = $2 AND prediction_id::text = $3`,
    [env, project, id],
  );
  return row;
}

export interface VersionOrigin {
  readonly model: string;
  readonly version: number;
  readonly digest: string;
  readonly run_id: string;
  readonly bundle: string;
  readonly training_set_sha256: string;
  readonly git_commit: string | null;
  readonly git_dirty: boolean | null;
}

/** A model version with the code it came from; without `version` the one that serves, else the newest. */
export async function findVersion(
  database: Queryable,
  env: string,
  project: string,
  model: string,
  version?: number,
): Promise<VersionOrigin | undefined> {
  const [row] = await database.query<VersionOrigin>(
    `SELECT v.model, v.version, v.digest, v.run_id, v.bundle, v.training_set_sha256, b.git_commit, b.git_dirty
     FROM plumbline.model_versions v
     LEFT JOIN plumbline.bundles b ON b.digest = v.bundle
     LEFT JOIN plumbline.serving_pointer p ON (p.env, p.project, p.model) = (v.env, v.project, v.model)
     WHERE v.env = $1 AND v.project = $2 AND v.model = $3 AND ($4::integer IS NULL OR v.version = $4)
     ORDER BY (v.version = p.version) DESC NULLS LAST, v.version DESC LIMIT 1`,
    [env, project, model, version ?? null],
  );
  return row;
}

export async function versionsOfTrainingSet(
  database: Queryable,
  env: string,
  project: string,
  sha256: string,
): Promise<VersionOrigin[]> {
  return database.query<VersionOrigin>(
    `SELECT v.model, v.version, v.digest, v.run_id, v.bundle, v.training_set_sha256, b.git_commit, b.git_dirty
     FROM plumbline.model_versions v LEFT JOIN plumbline.bundles b ON b.digest = v.bundle
     WHERE v.env = $1 AND v.project = $2 AND v.training_set_sha256 = $3 ORDER BY v.version DESC`,
    [env, project, sha256],
  );
}
