import { createHash } from 'node:crypto';
import type { RunRef } from '../contracts/run.js';
import type { BaselineSummary } from '../contracts/training.js';
import { childTables } from '../model/child-tables.js';
import { shownInterval, type DataInterval } from '../model/data-interval.js';
import type { Queryable } from '../model/database.js';
import type {
  FeatureViewFile,
  PostgresReadConfig,
  Project,
  ResourceConfig,
  TrainConfig,
  TransformFile,
} from '../model/project.js';
import { erasuresByTable } from '../storage/erasures.js';
import { newestResult, resultFor, type StepResultRow } from '../storage/step-results.js';
import { stepNames } from '../contracts/step-names.js';

/** What a step's outcome depends on: name → hash or value. Names are what `plan` shows when one of them changed. */
export type StepInputs = Readonly<Record<string, string>>;

// Raised when the way a step computes changes, so that old outcomes are not taken for new ones.
const LOADER = '1';
const JOINER = '2';
const TRAINER = '3';

/** The input that stands for a resource's own section. */
export const SETTINGS = 'settings in plumbline.yaml';

/** SHA-256 over the inputs in the order of their names. */
export function fingerprint(inputs: StepInputs): string {
  return hash(JSON.stringify(Object.entries(inputs).sort(([a], [b]) => (a < b ? -1 : 1))));
}

export function hash(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** @param interval of the run; it counts where the files are read for it */
export function loadInputs(
  resource: ResourceConfig,
  objects: readonly { path: string; sha256: string }[],
  interval?: DataInterval,
): StepInputs {
  // Whose rows they are does not change them. What an inventory names is in the objects; how anything is asked for is none of the table's content.
  const { at: _at, inventory: _inventory, requests: _requests, personal: _personal, parse, ...settings } = resource;
  return {
    loader: LOADER,
    [SETTINGS]: hash(
      JSON.stringify({ ...settings, ...(settings.postgres && { postgres: asHashed(settings.postgres) }) }),
    ),
    ...(parse === undefined ? {} : { [parse.file]: parse.digest }),
    ...(interval === undefined || resource.interval === undefined ? {} : { interval: shownInterval(interval) }),
    ...Object.fromEntries(objects.map((object) => [object.path, object.sha256])),
  };
}

/** As it always was, `parallel` too where it is not given: another hash would build everything anew that reads the table. */
function asHashed({ connection, schema, table, query, parallel = 1, reconciles }: PostgresReadConfig): object {
  return { connection, schema, table, query, parallel, reconciles };
}

export function transformInputs(transform: TransformFile, uses: StepInputs, versions: StepInputs): StepInputs {
  return {
    [transform.file]: hash(transform.sql),
    materialized: transform.materialized,
    tests: hash(JSON.stringify(transform.tests.map(({ at: _at, ...test }) => test))),
    ...uses,
    ...versions,
  };
}

export function featuresInputs(
  train: TrainConfig,
  views: readonly FeatureViewFile[],
  uses: StepInputs,
  versions: StepInputs,
): StepInputs {
  return {
    joiner: JOINER,
    [train.labels.file]: hash(JSON.stringify(train.labels)),
    ...Object.fromEntries(views.map((view) => [view.file, hash(JSON.stringify(view))])),
    'features in plumbline.yaml': views.map((view) => view.name).join(', '),
    'test from': train.split.testFrom,
    ...uses,
    ...versions,
  };
}

export function trainInputs(train: TrainConfig, trainer: string, trainingSet: string): StepInputs {
  return {
    trainer: `${TRAINER} ${trainer}`,
    parameters: trainer === train.trainer.type ? JSON.stringify(train.trainer.parameters) : '{}',
    seed: String(train.seed),
    'training set': trainingSet,
  };
}

export function baselinesInputs(train: TrainConfig, trainingSet: string): StepInputs {
  return { baselines: JSON.stringify(train.baselines), 'training set': trainingSet };
}

/** Passed gates say nothing against a champion they never met, so it is an input. */
export function registerInputs(
  project: Project,
  train: TrainConfig,
  of: {
    readonly model: string;
    readonly trainingSet: string;
    readonly champion: string | undefined;
    readonly baselines: readonly BaselineSummary[];
  },
): StepInputs {
  const measured = of.baselines.flatMap(({ name, metrics }) =>
    Object.entries(metrics).map(([metric, value]) => [`${name} ${metric}`, String(value)]),
  );
  return {
    name: project.deploy.model,
    model: of.model,
    'training set': of.trainingSet,
    champion: of.champion ?? 'none',
    gates: JSON.stringify(train.gates),
    baselines: fingerprint(Object.fromEntries(measured) as StepInputs),
  };
}

export interface Reusable<T> {
  readonly result: T;
  readonly reason: string;
}

/** An outcome to reuse, or why there is none. */
export type Found<T> = { readonly reuse: Reusable<T> } | { readonly reuse?: undefined; readonly reason: string };

/**
 * The outcome to reuse, or why there is none. `newest`: the outcome stands for a table's present content, so only the
 * latest counts; `content`: it is content by itself, so any with the same inputs does.
 */
export async function findReusable<T>(
  database: Queryable,
  run: Pick<RunRef, 'env' | 'project' | 'force'>,
  step: string,
  inputs: StepInputs,
  kind: 'newest' | 'content',
): Promise<Found<T>> {
  if (run.force) return { reason: '--force' };
  const newest = await newestResult<T>(database, run.env, run.project, step);
  const found = sameAsNewest(newest, inputs);
  if (found.reuse !== undefined || kind === 'newest') return found;
  const same = await resultFor<T>(database, run.env, run.project, step, fingerprint(inputs));
  return same === undefined
    ? found
    : { reuse: { result: same.result, reason: `same inputs as in run ${same.run_id}` } };
}

/** The newest outcome to reuse, or why it is not: what it was made from has changed since. */
export function sameAsNewest<T>(newest: StepResultRow<T> | undefined, inputs: StepInputs): Found<T> {
  if (newest === undefined) return { reason: 'first time' };
  if (newest.fingerprint === fingerprint(inputs)) return { reuse: { result: newest.result, reason: 'unchanged' } };
  return { reason: `changed: ${changed(newest.inputs, inputs).join(', ')}` };
}

function changed(before: StepInputs, now: StepInputs): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].filter((name) => before[name] !== now[name]);
}

/**
 * Whether the newest outcome of an incremental table was made by the same code, so that new rows can be put into it;
 * data tests, what the SELECT reads and the run's interval may be others.
 */
export async function isSameCode(
  database: Queryable,
  run: Pick<RunRef, 'env' | 'project' | 'force'>,
  step: string,
  inputs: StepInputs,
): Promise<boolean> {
  if (run.force) return false;
  const newest = await newestResult(database, run.env, run.project, step);
  if (newest === undefined) return false;
  return changed(newest.inputs, inputs).every(
    (name) => name === 'tests' || name === 'interval' || /^(forgotten in )?(source|ref) /.test(name),
  );
}

/**
 * Versions of the tables that SQL reads: `source rides` → version of its load, `ref demand` → of its build; where rows were deleted since, as
 * those of a forgotten person, `forgotten in source rides` → which erasures took how many.
 */
export async function inputVersions(
  database: Queryable,
  project: Project,
  reads: { readonly sources: readonly string[]; readonly refs: readonly string[] },
): Promise<StepInputs> {
  const versions: Record<string, string> = {};
  for (const resource of reads.sources) {
    const newest = await newestResult<{ version: string }>(
      database,
      project.env,
      project.name,
      stepNames.load(resource),
    );
    versions[`source ${resource}`] = newest?.result.version ?? 'never loaded';
  }
  for (const ref of reads.refs) {
    const newest = await newestResult<{ version?: string }>(
      database,
      project.env,
      project.name,
      stepNames.transform(ref),
    );
    versions[`ref ${ref}`] = newest?.result.version ?? newest?.fingerprint ?? 'never built';
  }
  return { ...versions, ...(await forgottenIn(database, project, reads)) };
}

async function forgottenIn(
  database: Queryable,
  { env, name, schemas, resources }: Project,
  reads: { readonly sources: readonly string[]; readonly refs: readonly string[] },
): Promise<StepInputs> {
  const erased = await erasuresByTable(database, env, name);
  if (erased.size === 0) return {};
  const read = [
    ...reads.sources.map((id) => {
      const resource = resources.find((one) => one.id === id);
      const tables = resource === undefined ? [] : [resource, ...childTables(resource)];
      return { input: `source ${id}`, tables: tables.map(({ table }) => `${schemas.raw}.${table}`) };
    }),
    ...reads.refs.map((ref) => ({ input: `ref ${ref}`, tables: [`${schemas.main}.${ref}`] })),
  ];
  const inputs: Record<string, string> = {};
  for (const { input, tables } of read) {
    const erasures = tables.flatMap((table) => erased.get(table) ?? []);
    if (erasures.length > 0) inputs[`forgotten in ${input}`] = hash(erasures.join(' '));
  }
  return inputs;
}
