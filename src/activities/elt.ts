import type {
  ExtractResult,
  LoadedObject,
  LoadObjectInput,
  LoadObjectsInput,
  LoadSummary,
  PublishResourceInput,
  ResourceInput,
  RetryRejectsInput,
  TransformInput,
  TransformSummary,
} from '../contracts/elt.js';
import type { RunRef } from '../contracts/run.js';
import {
  loadObjectInput,
  loadObjectsInput,
  publishResourceInput,
  resourceInput,
  retryRejectsInput,
  transformInput,
} from '../contracts/elt.js';
import { stepNames } from '../contracts/step-names.js';
import { forgetCheckpoint, moveCheckpoint } from '../elt/cursor/checkpoint-state.js';
import { landedExtract, type LandedExtract } from '../elt/extract/extract-progress.js';
import { assertFresh } from '../elt/freshness/source-freshness.js';
import { leaveOutCopies } from '../elt/load/leave-out-copies.js';
import { groupObjects, mayShare } from '../elt/load/group-objects.js';
import { loadObjects } from '../elt/load/load-objects.js';
import { markShortened } from '../elt/load/mark-shortened.js';
import type { ExtractedObject, LoadResult } from '../elt/load/load-result.js';
import { publishResource, type PublishOptions, type PublishResult } from '../elt/load/publish-resource.js';
import { retryRejects } from '../elt/load/retry-rejects.js';
import { tableUnknown } from '../elt/load/table-unknown.js';
import { buildTransform, type TransformResult } from '../elt/transform/build-transform.js';
import type { Queryable, Session } from '../model/database.js';
import { withObjectName } from '../model/object-name.js';
import type { ResourceConfig } from '../model/project.js';
import type { ActivityDependencies } from './dependencies.js';
import {
  findReusable,
  fingerprint,
  inputVersions,
  isSameCode,
  loadInputs,
  sameAsNewest,
  transformInputs,
  type Found,
  type Reusable,
} from './fingerprint.js';
import { extractSource } from './extract-source.js';
import { loadSource } from './load-source.js';
import { summarizeLoad, summarizeRetry } from './load-summary.js';
import { mergedLast } from './merged-last.js';
import { projectOf, resourceNamed, transformNamed } from './project-code.js';
import { rawStore } from './raw-store.js';
import { recordOutcome, saveOutcome } from './save-outcome.js';
import { compileFor } from './selected-steps.js';
import { newestResult } from '../storage/step-results.js';
import { runStep } from './step.js';
import { resourceExists, tableExists } from './table-exists.js';

export type EltActivities = ReturnType<typeof createEltActivities>;

export function createEltActivities(dependencies: ActivityDependencies) {
  return {
    /** GET: files, or an API's pages, to the landing zone. When all of it is loaded already, says so and there is nothing to load. */
    async extractResource(input: ResourceInput): Promise<ExtractResult> {
      const { run, resource: id } = resourceInput.parse(input);
      return runStep<ExtractResult>(
        dependencies,
        { run, step: stepNames.extract(id), stage: 'elt' },
        async ({ fence, ...scope }) => {
          const { database } = scope;
          const project = await projectOf(dependencies, run);
          const resource = resourceNamed(project, id);
          const extracted = await extractSource({ dependencies, project, resource, run, scope });
          const isThere = await resourceExists(database, project, resource);
          const anew = { ...run, resource, force: run.force || !isThere };
          const { objects, notices } = await leaveOutCopies(database, anew, extracted.objects);
          const landed = { ...extracted, objects };
          const inputs = loadInputs(resource, landed.objects, run.interval);
          const found = isWithoutRows(resource, landed)
            ? await formerLoad(database, run, resource)
            : await reusableLoad(database, run, resource, landed.objects);
          if (found.reuse === undefined || !isThere) {
            const marked = await markShortened(database, run, resource, landed.objects);
            return {
              result: { ...landed, objects: marked, groups: groupObjects(resource, marked) },
              ...(found.reuse === undefined ? { reason: found.reason } : { reason: 'its table is gone' }),
            };
          }
          const { result } = found.reuse;
          const reason = [found.reuse.reason, ...notices.slice(0, 1)].join('; ');
          await reuseLoad(id, run, result, reason);
          const asked =
            landed.extractId === undefined
              ? undefined
              : await landedExtract(database, landed.extractId, resource.cursor);
          await saveOutcome(database, run, stepNames.load(id), inputs, result, async (session) => {
            await fence(session);
            // A source may have come further without a row; after a full one the rows are what says so.
            if (asked?.cursorFrom !== undefined) await commitCheckpoint(session, run, resource, asked);
          });
          return { result: { ...landed, reused: result }, status: 'reused', reason };
        },
      );
    },

    /** PROCESS: one object into its stage; goes on behind the last committed chunk. For runs that an older worker began. */
    async loadObject(input: LoadObjectInput): Promise<LoadedObject> {
      const { run, resource: id, object: given } = loadObjectInput.parse(input);
      // What the worker of an older version extracted has the whole address.
      const object = withObjectName(given as ExtractedObject);
      const step = `${stepNames.load(id)}#${object.path}`;
      return runStep(dependencies, { run, step, stage: 'elt' }, async (scope) => {
        const project = await projectOf(dependencies, run);
        const load = await loadSource({
          dependencies,
          project,
          resource: resourceNamed(project, id),
          object,
          run,
          scope,
        });
        return { result: loadedObject(object, load), status: statusOf([load]) };
      });
    },

    /** PROCESS: small objects of one resource into stages that they share, or one object into its own. Another attempt repeats one transaction at most. */
    async loadObjects(input: LoadObjectsInput): Promise<LoadedObject[]> {
      const { run, resource: id, objects: given } = loadObjectsInput.parse(input);
      const objects = (given as ExtractedObject[]).map(withObjectName);
      const others = objects.length > 1 ? ` and ${objects.length - 1} more` : '';
      const step = `${stepNames.load(id)}#${objects[0]!.path}${others}`;
      return runStep(dependencies, { run, step, stage: 'elt' }, async (scope) => {
        const project = await projectOf(dependencies, run);
        const resource = resourceNamed(project, id);
        if (!mayShare(resource, objects[0]!)) {
          const load = await loadSource({ dependencies, project, resource, object: objects[0]!, run, scope });
          return { result: [loadedObject(objects[0]!, load)], status: statusOf([load]) };
        }
        const { database, signal, progress } = scope;
        const { env, runId, force } = run;
        const { name, schemas } = project;
        const store = rawStore(dependencies, run);
        const options = { database, store, env, project: name, schemas, resource, objects, runId, force, signal };
        const loads = await loadObjects({
          ...options,
          onProgress: ({ objects: files, objectsTotal: of, rowsRead: rows, rowsRejected: rejected }) =>
            progress({ files, of, rows, rejected }),
        });
        return { result: loads.map((load, index) => loadedObject(objects[index]!, load)), status: statusOf(loads) };
      });
    },

    /** Makes all staged objects of a resource visible at once; a second attempt finds it done. */
    async publishResource(input: PublishResourceInput): Promise<LoadSummary> {
      const { run, resource: id, loads: staged, extractId, inventory } = publishResourceInput.parse(input);
      const loads = staged.map(withObjectName);
      const step = stepNames.load(id);
      return runStep(dependencies, { run, step, stage: 'elt' }, async ({ database, signal, progress, fence }) => {
        const project = await projectOf(dependencies, run);
        const resource = resourceNamed(project, id);
        const inputs = loadInputs(resource, loads, run.interval);
        const summary = (publishing: Omit<PublishResult, 'status'>): LoadSummary => ({
          ...summarizeLoad(resource, loads, publishing, inputs, landed, former),
          ...(inventory === undefined ? {} : { inventory }),
        });
        const landed = extractId === undefined ? undefined : await landedExtract(database, extractId, resource.cursor);
        const former = await newestResult<LoadSummary>(database, run.env, run.project, step);
        const same = sameAsNewest(former, inputs);
        const found: Found<LoadSummary> = run.force ? { reason: '--force' } : same;
        // What an earlier attempt of this run has published and told: a publication that finds all done counts nothing.
        const told = former?.run_id === run.runId ? same.reuse?.result : undefined;
        let recorded: LoadSummary | undefined;
        const published = await publishResource({
          database,
          env: run.env,
          project: project.name,
          schemas: project.schemas,
          resource,
          isFull: isFull(landed),
          isPart: landed?.cursorFrom !== undefined,
          loads,
          runId: run.runId,
          acceptAnomaly: run.acceptAnomaly ?? false,
          ...cursorOf(resource, landed),
          signal,
          onProgress: (at) => progress({ ...at }),
          onPublish: async (session, publishing) => {
            recorded = summary(publishing);
            await recordOutcome(session, run, step, inputs, recorded, fence);
            if (landed !== undefined) await commitCheckpoint(session, run, resource, landed);
          },
        });
        const result = recorded ?? told ?? summary(published);
        // These loads were published by an earlier attempt or run.
        if (recorded === undefined) await saveOutcome(database, run, step, inputs, result, fence);
        return { result, reason: found.reuse === undefined ? found.reason : 'its table is gone' };
      });
    },

    /**
     * Gives quarantined rows of a published load another chance. A second attempt finds the rows in the table and gives
     * the same counts.
     */
    async retryRejects(input: RetryRejectsInput): Promise<LoadSummary> {
      const { run } = retryRejectsInput.parse(input);
      const { loadId, resource: id, file } = run.rejects!;
      const step = stepNames.load(id);
      return runStep(dependencies, { run, step, stage: 'elt' }, async ({ database, signal, fence }) => {
        const project = await projectOf(dependencies, run);
        const resource = resourceNamed(project, id);
        const former = await newestResult<LoadSummary>(database, run.env, run.project, step);
        let recorded: LoadSummary | undefined;
        const retried = await retryRejects({
          database,
          env: run.env,
          project: project.name,
          schemas: project.schemas,
          resource,
          loadId,
          runId: run.runId,
          signal,
          ...(file === undefined
            ? {}
            : {
                corrected: {
                  path: await rawStore(dependencies, run).localPath(file.sha256),
                  file: file.name,
                  sha256: file.sha256,
                },
              }),
          onPublish: async (session, result) => {
            recorded = summarizeRetry(project, resource, loadId, result, former?.result);
            // The files and settings are those of the load: a change of them since still makes the next run load anew.
            await recordOutcome(session, run, step, former?.inputs ?? {}, recorded, fence);
          },
        });
        const result = recorded ?? former?.result ?? summarizeRetry(project, resource, loadId, retried, undefined);
        return { result, reason: `the rejected rows of load ${loadId}` };
      });
    },

    /** Builds beside, tests, swaps. The table that is there stays until the new one has passed. */
    async buildTransform(input: TransformInput): Promise<TransformSummary> {
      const { run, transform: name } = transformInput.parse(input);
      const step = stepNames.transform(name);
      return runStep(dependencies, { run, step, stage: 'elt' }, async ({ database, signal, progress, fence }) => {
        const project = await projectOf(dependencies, run);
        const { schemas } = project;
        const graph = compileFor(project, run);
        const node = graph.nodes.find((one) => one.name === name)!;
        const stale = await assertFresh(database, project, node.sources, run.interval);
        const versions = await inputVersions(database, project, { sources: node.sources, refs: node.deps });
        const inputs = transformInputs(transformNamed(project, name), node.uses, versions);
        const found = await findReusable<TransformSummary>(database, run, step, inputs, 'newest');
        if (found.reuse !== undefined && (await tableExists(database, schemas.main, name)))
          return { ...found.reuse, result: withStale(found.reuse.result, stale), status: 'reused' };
        // What an incremental table or a snapshot holds also comes from earlier runs: each publication is a version.
        const isAddedTo = node.incremental !== undefined || node.snapshot !== undefined;
        const version = fingerprint(isAddedTo ? { ...inputs, publication: run.runId } : inputs);
        const summary = (
          built: Pick<TransformResult, 'kind' | 'rows' | 'tests' | 'incrementRows'>,
        ): TransformSummary => {
          const { kind, rows, tests, incrementRows } = built;
          const increment = incrementRows === undefined ? {} : { incrementRows };
          const warned = tests.filter((test) => !test.passed);
          const warnings = warned.map(({ name: test, failures, at }) => ({ test, failures, at }));
          return {
            transform: name,
            kind,
            rows,
            testsPassed: tests.length - warned.length,
            ...(warnings.length === 0 ? {} : { warnings }),
            ...increment,
            version,
          };
        };
        let recorded: TransformSummary | undefined;
        const built = await buildTransform({
          database,
          schemas,
          node,
          runId: run.runId,
          // What --force asks for is built anew.
          ...(run.force ? {} : { inputs: fingerprint(inputs) }),
          // Built whole, it would lose every interval but this one.
          isIncremental: node.isByInterval || (await isSameCode(database, run, step, inputs)),
          builtLater: readersOf(name, graph.nodes),
          signal,
          onProgress: (at) => progress({ ...at }),
          onPublish: async (session, publishing) => {
            recorded = summary(publishing);
            await recordOutcome(session, run, step, inputs, recorded, fence);
          },
        });
        const result = recorded ?? summary(built);
        // An earlier attempt of this run published it.
        if (recorded === undefined) await saveOutcome(database, run, step, inputs, result, fence);
        const why = found.reuse === undefined ? found.reason : 'its table is gone';
        const reason = built.builtBy === undefined ? why : `${why}; run ${built.builtBy} had built it`;
        return { result: withStale(result, stale), reason };
      });
    },
  };

  /** The load's own step, for the run's record: nothing was loaded, and that is its outcome. */
  async function reuseLoad(id: string, run: RunRef, result: LoadSummary, reason: string): Promise<void> {
    await runStep(dependencies, { run, step: stepNames.load(id), stage: 'elt' }, async () => ({
      result,
      status: 'reused',
      reason: reason.replace(/^unchanged(?=;|$)/, 'the same files are loaded'),
    }));
  }
}

function statusOf(loads: readonly LoadResult[]): 'succeeded' | 'reused' {
  return loads.every(({ status }) => status === 'already_loaded') ? 'reused' : 'succeeded';
}

function loadedObject(object: ExtractedObject, load: LoadResult): LoadedObject {
  const { loadId, status, path, sha256, rowsRead, rowsLoaded, rowsRejected, rowsDuplicate, rowsOutside } = load;
  const left = rowsOutside === 0 ? {} : { rowsOutside };
  const counts = { rowsRead, rowsLoaded, rowsRejected, rowsDuplicate, ...left };
  const notices = [...(object.notices ?? []), ...load.notices].slice(0, 3);
  const dropped = Object.keys(load.discarded).length === 0 ? {} : { discarded: load.discarded };
  return { loadId, status, path, sha256, ...counts, ...dropped, notices };
}

/** Nothing came, and what is there stays: only `replace` makes an empty table of it. */
function isWithoutRows({ write }: ResourceConfig, { objects }: { readonly objects: readonly unknown[] }): boolean {
  return objects.length === 0 && write !== 'replace';
}

/** All that a source has that says by itself where to go on from. */
function isFull(landed: LandedExtract | undefined): boolean {
  return landed?.checkpoint !== undefined && landed.cursorFrom === undefined;
}

/**
 * In the transaction that makes the rows visible. A `replace` always begins anew, so it keeps no checkpoint, nor one of before: that would be no
 * longer where its rows end.
 */
async function commitCheckpoint(
  session: Session,
  { env, project }: RunRef,
  { id, write }: ResourceConfig,
  { checkpoint: to, cursorFrom: from }: LandedExtract,
): Promise<void> {
  const key = { env, project, resource: id };
  if (write === 'replace') await forgetCheckpoint(session, key);
  else if (to !== undefined) await moveCheckpoint(session, key, { from, to });
}

async function reusableLoad(
  database: Queryable,
  run: RunRef,
  resource: ResourceConfig,
  objects: readonly ExtractedObject[],
): Promise<Found<LoadSummary>> {
  const reuse = await mergedLast(database, run, resource, objects);
  if (reuse !== undefined) return { reuse };
  const inputs = loadInputs(resource, objects, run.interval);
  return findReusable<LoadSummary>(database, run, stepNames.load(resource.id), inputs, 'newest');
}

/** What the newest load left. Throws `ELT_SOURCE_EMPTY` (terminal) when there was none, as no row says what the columns are. */
async function formerLoad(
  database: Queryable,
  run: RunRef,
  resource: ResourceConfig,
): Promise<{ reuse: Reusable<LoadSummary> }> {
  const newest = await newestResult<LoadSummary>(database, run.env, run.project, stepNames.load(resource.id));
  if (newest !== undefined) return { reuse: { result: newest.result, reason: 'no new rows' } };
  throw tableUnknown(resource);
}

/** Of the step's row, not of the outcome that later runs reuse: how old a source is changes with the clock. */
function withStale(result: TransformSummary, stale: readonly string[]): TransformSummary {
  return stale.length === 0 ? result : { ...result, stale };
}

/** Transforms that read `name`, directly or through others; `nodes` lists each after what it needs. */
function readersOf(
  name: string,
  nodes: readonly { readonly name: string; readonly deps: readonly string[] }[],
): string[] {
  const readers = new Set([name]);
  for (const node of nodes) if (node.deps.some((one) => readers.has(one))) readers.add(node.name);
  return [...readers].filter((one) => one !== name);
}

function cursorOf({ cursor }: ResourceConfig, landed: LandedExtract | undefined): Pick<PublishOptions, 'cursor'> {
  if (cursor === undefined || landed === undefined) return {};
  const { cursorFrom: from, cursorTo: to } = landed;
  return { cursor: { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) } };
}
