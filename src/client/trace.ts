import { hideParameters } from '../hide-parameters.js';
import { TerminalError } from '../errors.js';
import type { Queryable } from '../model/database.js';
import {
  findPrediction,
  findVersion,
  loadsOfObject,
  loadsOfVersion,
  nameOfObject,
  objectsOfBatches,
  readersOf,
  stepByVersion,
  trainingSetStep,
  versionsOfTrainingSet,
  type BatchObject,
  type LineageStep,
  type LoadedObject,
  type VersionOrigin,
} from '../storage/lineage.js';
import { newestResult } from '../storage/step-results.js';

export interface TraceNode {
  readonly kind: 'prediction' | 'model' | 'training set' | 'transform' | 'load' | 'raw object';
  readonly name: string;
  readonly facts: Readonly<Record<string, string>>;
  /** What it was made from; for a raw object, what was made from it. */
  readonly from: readonly TraceNode[];
}

export interface TraceScope {
  readonly database: Queryable;
  readonly env: string;
  readonly project: string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** `bike-demand@2` or `bike-demand@v2`; nine digits fit PostgreSQL's integer. */
const MODEL_VERSION = /^(.*)@v?(\d{1,9})$/;

/**
 * Where something comes from, down to the SHA-256 of the raw object, or what became of a raw object. All of it is read
 * from PostgreSQL, so it outlives Temporal's histories.
 *
 * @param subject a prediction id, a model (`bike-demand` or `bike-demand@2`), a table, or a raw object's SHA-256
 */
export async function trace(scope: TraceScope, subject: string): Promise<TraceNode> {
  if (/^[0-9a-f]{64}$/.test(subject)) return traceRawObject(scope, subject);
  if (UUID.test(subject)) return tracePrediction(scope, subject);
  const [, name = subject, version] = MODEL_VERSION.exec(subject) ?? [];
  const model = await findVersion(
    scope.database,
    scope.env,
    scope.project,
    name,
    version === undefined ? undefined : Number(version),
  );
  if (model !== undefined) return traceVersion(scope, model);
  if (version !== undefined) throw notFound(subject);
  for (const kind of ['transform', 'load'] as const) {
    const newest = await newestResult<{ version: string }>(scope.database, scope.env, scope.project, `${kind}:${name}`);
    if (newest !== undefined)
      return traceTable(scope, `${kind === 'load' ? 'source' : 'ref'} ${name}`, newest.result.version);
  }
  throw notFound(subject);
}

async function tracePrediction(scope: TraceScope, id: string): Promise<TraceNode> {
  const found = await findPrediction(scope.database, scope.env, scope.project, id);
  if (found === undefined) throw notFound(id);
  const version = await findVersion(scope.database, scope.env, scope.project, found.model, found.version);
  return {
    kind: 'prediction',
    name: found.prediction_id,
    facts: { prediction: String(found.prediction), at: found.at },
    from: version === undefined ? [] : [await traceVersion(scope, version)],
  };
}

async function traceVersion(scope: TraceScope, version: VersionOrigin): Promise<TraceNode> {
  const set = await trainingSetStep(scope.database, scope.env, scope.project, version.training_set_sha256);
  return {
    ...versionNode(version),
    from: set === undefined ? [] : [await traceTrainingSet(scope, set, version.training_set_sha256)],
  };
}

function versionNode(version: VersionOrigin): TraceNode {
  const git: Record<string, string> =
    version.git_commit === null
      ? {}
      : { commit: `${version.git_commit.slice(0, 12)}${version.git_dirty === true ? ' + changes' : ''}` };
  return {
    kind: 'model',
    name: `${version.model} v${version.version}`,
    facts: { digest: version.digest, run: version.run_id, code: version.bundle, ...git },
    from: [],
  };
}

async function traceTrainingSet(scope: TraceScope, set: LineageStep, sha256: string): Promise<TraceNode> {
  const features = Object.keys(set.inputs).filter((name) => name.endsWith('.sql'));
  return {
    kind: 'training set',
    name: set.step.replace('features:', ''),
    facts: { sha256, run: set.run_id, code: features.join(', ') },
    from: await traceInputs(scope, set),
  };
}

async function traceInputs(scope: TraceScope, step: LineageStep): Promise<TraceNode[]> {
  const tables = Object.entries(step.inputs).filter(([name]) => /^(source|ref) /.test(name));
  return Promise.all(tables.map(([name, version]) => traceTable(scope, name, version)));
}

async function traceTable(scope: TraceScope, input: string, version: string): Promise<TraceNode> {
  const [kind = '', name = ''] = input.split(/ (.*)/s);
  const isLoad = kind === 'source';
  const step = await stepByVersion(
    scope.database,
    scope.env,
    scope.project,
    `${isLoad ? 'load' : 'transform'}:${name}`,
    version,
  );
  if (step === undefined)
    return { kind: isLoad ? 'load' : 'transform', name, facts: { version, note: 'no record' }, from: [] };
  if (!isLoad)
    return {
      kind: 'transform',
      name,
      facts: { rows: text(step.result['rows']), run: step.run_id, version },
      from: await traceInputs(scope, step),
    };
  const loads = await loadsOfVersion(scope.database, scope.env, scope.project, name, version);
  const objects = loads.length === 0 ? objectsOf(step) : loads;
  const members = await objectsOfBatches(scope.database, objects.map(({ sha256 }) => sha256)); // prettier-ignore
  return {
    kind: 'load',
    name,
    facts: { table: text(step.result['table']), rows: text(step.result['tableRows']), run: step.run_id },
    from: objects.map((object) => objectNode(object, members.get(object.sha256))),
  };
}

/** A file, or a batch of an inventory with the objects that are in it. */
function objectNode({ path, sha256, loadId }: LoadedObject, members: readonly BatchObject[] = []): TraceNode {
  const from = members.map((member): TraceNode => ({ kind: 'raw object', name: hideParameters(member.url), facts: { sha256: member.sha256 }, from: [] })); // prettier-ignore
  return { kind: 'raw object', name: hideParameters(path), facts: { sha256, load: loadId }, from };
}

async function traceRawObject(scope: TraceScope, sha256: string): Promise<TraceNode> {
  const loads = await loadsOfObject(scope.database, scope.env, scope.project, sha256);
  if (loads.length === 0) throw notFound(sha256);
  const loaded = objectsOf(loads[0]!).find((object) => object.sha256 === sha256);
  const path = loaded?.path ?? (await nameOfObject(scope.database, scope.env, scope.project, sha256)) ?? sha256;
  const uses = await Promise.all(loads.map((load) => usesOf(scope, load)));
  return { kind: 'raw object', name: hideParameters(path), facts: { sha256 }, from: uses };
}

/** Forward: a step's outcome and everything made from it. */
async function usesOf(scope: TraceScope, step: LineageStep): Promise<TraceNode> {
  const [kind = '', name = ''] = step.step.split(/:(.*)/s);
  const version = text(step.result['version']);
  const facts = { run: step.run_id, version };
  if (kind === 'features') {
    const sha256 = text(
      (step.result['trainingSet'] as { artifact?: { sha256?: string } } | undefined)?.artifact?.sha256,
    );
    const versions = await versionsOfTrainingSet(scope.database, scope.env, scope.project, sha256);
    return { kind: 'training set', name, facts: { sha256, run: step.run_id }, from: versions.map(versionNode) };
  }
  const readers = await readersOf(
    scope.database,
    scope.env,
    scope.project,
    `${kind === 'load' ? 'source' : 'ref'} ${name}`,
    version,
  );
  return {
    kind: kind === 'load' ? 'load' : 'transform',
    name,
    facts,
    from: await Promise.all(readers.map((reader) => usesOf(scope, reader))),
  };
}

function objectsOf(step: LineageStep): readonly LoadedObject[] {
  return (step.result['objects'] ?? []) as LoadedObject[];
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function notFound(subject: string): TerminalError {
  return new TerminalError(
    'TRACE_NOT_FOUND',
    `Tracing ${JSON.stringify(subject)} failed: no prediction, model, table or raw object of that name or id is recorded.`,
    {
      next: 'Give a prediction id, a model (`bike-demand@1`), a table of the project, or the SHA-256 of a raw file.',
    },
  );
}
