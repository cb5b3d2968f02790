import type {
  ExtractResult,
  ExtractSummary,
  LoadedObject,
  LoadObjectInput,
  LoadSummary,
  PublishResourceInput,
  ResourceInput,
  TransformInput,
  TransformSummary,
} from '../contracts/elt.js';
import type { RunRef } from '../contracts/run.js';
import { loadObjectInput, publishResourceInput, resourceInput, transformInput } from '../contracts/elt.js';
import { TerminalError } from '../errors.js';
import { moveCheckpoint } from '../elt/cursor/checkpoint-state.js';
import { extractFiles } from '../elt/extract/extract-files.js';
import { extractHttp } from '../elt/extract/extract-http.js';
import { extractInventory } from '../elt/extract/extract-inventory.js';
import { landedExtract, type LandedExtract } from '../elt/extract/extract-progress.js';
import { compileInventory } from '../elt/inventory/compile-inventory.js';
import { loadObject } from '../elt/load/load-object.js';
import type { ExtractedObject } from '../elt/load/load-result.js';
import { publishResource, type PublishOptions, type PublishResult } from '../elt/load/publish-resource.js';
import { buildTransform, type TransformResult } from '../elt/transform/build-transform.js';
import { compileTransforms } from '../elt/transform/compile-transforms.js';
import type { Queryable, Session } from '../model/database.js';
import type { Project, ResourceConfig } from '../model/project.js';
import type { ActivityDependencies } from './dependencies.js';
import {
  findReusable,
  fingerprint,
  inputVersions,
  isSameCode,
  loadInputs,
  stepNames,
  transformInputs,
  type Reusable,
  type StepInputs,
} from './fingerprint.js';
import { bundleFolder, projectOf, resourceNamed, sourceFolder, transformNamed } from './project-code.js';
import { recordOutcome, saveOutcome } from './save-outcome.js';
import { newestResult } from '../storage/step-results.js';
import { runStep, type StepScope } from './step.js';
import { tableExists } from './table-exists.js';

export type EltActivities = ReturnType<typeof createEltActivities>;

export function createEltActivities(dependencies: ActivityDependencies) {
  const { store } = dependencies;
  return {
    /** GET: files, or an API's pages, to the landing zone. When all of it is loaded already, says so and there is nothing to load. */
    async extractResource(input: ResourceInput): Promise<ExtractResult> {
      const { run, resource: id } = resourceInput.parse(input);
      return runStep<ExtractResult>(
        dependencies,
        { run, step: stepNames.extract(id), stage: 'elt' },
        async ({ database, signal, progress, fence }) => {
          const project = await projectOf(dependencies, run);
          const resource = resourceNamed(project, id);
          const landed = await extract(project, resource, run, { database, signal, progress });
          const inputs = loadInputs(resource, landed.objects);
          const found = isWithoutRows(resource, landed)
            ? await formerLoad(database, run, resource)
            : await findReusable<LoadSummary>(database, run, stepNames.load(id), inputs, 'newest');
          if (found.reuse === undefined || !(await tableExists(database, project.schemas.raw, resource.table))) {
            return {
              result: landed,
              ...(found.reuse === undefined ? { reason: found.reason } : { reason: 'its table is gone' }),
            };
          }
          const { result } = found.reuse;
          await reuseLoad(id, run, result, found.reuse.reason);
          const asked =
            landed.extractId === undefined
              ? undefined
              : await landedExtract(database, landed.extractId, resource.cursor);
          await saveOutcome(database, run, stepNames.load(id), inputs, result, async (session) => {
            await fence(session);
            // A source may have come further without a row; after a full one the rows are what says so.
            if (asked?.cursorFrom !== undefined) await commitCheckpoint(session, run, resource, asked);
          });
          return { result: { ...landed, reused: result }, status: 'reused', reason: found.reuse.reason };
        },
      );
    },

    /** PROCESS: one object into its stage; goes on behind the last committed chunk. */
    async loadObject(input: LoadObjectInput): Promise<LoadedObject> {
      const { run, resource: id, object: given } = loadObjectInput.parse(input);
      const object = given as ExtractedObject;
      const step = `${stepNames.load(id)}#${object.path}`;
      return runStep(dependencies, { run, step, stage: 'elt' }, async ({ database, signal, progress }) => {
        const project = await projectOf(dependencies, run);
        const load = await loadObject({
          database,
          store,
          env: run.env,
          project: project.name,
          schemas: project.schemas,
          resource: resourceNamed(project, id),
          object,
          code: await bundleFolder(dependencies, run),
          runId: run.runId,
          force: run.force,
          signal,
          onProgress: ({ rowsRead, rowsTotal, rowsRejected }) =>
            progress({ rows: rowsRead, of: rowsTotal, rejected: rowsRejected }),
        });
        const { loadId, status, path, sha256, rowsRead, rowsLoaded, rowsRejected, rowsDuplicate } = load;
        const counts = { rowsRead, rowsLoaded, rowsRejected, rowsDuplicate };
        const result = { loadId, status, path, sha256, ...counts, notices: load.notices.slice(0, 3) };
        return { result, status: status === 'already_loaded' ? 'reused' : 'succeeded' };
      });
    },

    /** Makes all staged objects of a resource visible at once; a second attempt finds it done. */
    async publishResource(input: PublishResourceInput): Promise<LoadSummary> {
      const { run, resource: id, loads, extractId, inventory } = publishResourceInput.parse(input);
      const step = stepNames.load(id);
      return runStep(dependencies, { run, step, stage: 'elt' }, async ({ database, signal, progress, fence }) => {
        const project = await projectOf(dependencies, run);
        const resource = resourceNamed(project, id);
        const inputs = loadInputs(resource, loads);
        const summary = (publishing: Omit<PublishResult, 'status'>): LoadSummary => ({
          ...summarize(resource, loads, publishing, inputs, landed),
          ...(inventory === undefined ? {} : { inventory }),
        });
        const found = await findReusable<LoadSummary>(database, run, step, inputs, 'newest');
        const landed = extractId === undefined ? undefined : await landedExtract(database, extractId, resource.cursor);
        let recorded: LoadSummary | undefined;
        const published = await publishResource({
          database,
          env: run.env,
          project: project.name,
          schemas: project.schemas,
          resource: startsAnew(resource, landed) ? { ...resource, write: 'replace' } : resource,
          loads,
          runId: run.runId,
          ...cursorOf(resource, landed),
          signal,
          onProgress: (at) => progress({ ...at }),
          onPublish: async (session, publishing) => {
            recorded = summary(publishing);
            await recordOutcome(session, run, step, inputs, recorded, fence);
            if (landed !== undefined) await commitCheckpoint(session, run, resource, landed);
          },
        });
        const result = recorded ?? summary(published);
        // These loads were published by an earlier attempt or run.
        if (recorded === undefined) await saveOutcome(database, run, step, inputs, result, fence);
        return { result, reason: found.reuse === undefined ? found.reason : 'its table is gone' };
      });
    },

    /** Builds beside, tests, swaps. The table that is there stays until the new one has passed. */
    async buildTransform(input: TransformInput): Promise<TransformSummary> {
      const { run, transform: name } = transformInput.parse(input);
      const step = stepNames.transform(name);
      return runStep(dependencies, { run, step, stage: 'elt' }, async ({ database, signal, progress, fence }) => {
        const project = await projectOf(dependencies, run);
        const { schemas } = project;
        const graph = compileTransforms(project);
        const node = graph.nodes.find((one) => one.name === name)!;
        const versions = await inputVersions(database, project, { sources: node.sources, refs: node.deps });
        const inputs = transformInputs(transformNamed(project, name), node.uses, versions);
        const found = await findReusable<TransformSummary>(database, run, step, inputs, 'newest');
        if (found.reuse !== undefined && (await tableExists(database, schemas.main, name)))
          return { ...found.reuse, status: 'reused' };
        // What an incremental table holds also comes from earlier runs, so each publication is a version of its own.
        const version = fingerprint(node.incremental === undefined ? inputs : { ...inputs, publication: run.runId });
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
          isIncremental: await isSameCode(database, run, step, inputs),
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
        return { result, reason: found.reuse === undefined ? found.reason : 'its table is gone' };
      });
    },
  };

  async function extract(
    project: Project,
    resource: ResourceConfig,
    run: RunRef,
    { database, signal, progress }: Pick<StepScope, 'database' | 'signal' | 'progress'>,
  ): Promise<Pick<ExtractResult, 'extractId' | 'inventory'> & { objects: readonly ExtractedObject[] }> {
    const { env, runId, force } = run;
    const root = await sourceFolder(dependencies, run, resource);
    const options = { database, store, env, project: project.name, root, resource, runId, signal };
    const onProgress = (landed: object): void => progress({ ...landed });
    if (resource.inventory !== undefined) {
      const inventory = compileInventory(project, resource);
      const found = await extractInventory({
        ...options,
        inventory,
        environment: process.env,
        force,
        onProgress: ({ secondsLeft, ...landed }) =>
          progress(secondsLeft === undefined ? { ...landed } : { ...landed, 'seconds left': secondsLeft }),
      });
      const { objects, expected, fetched, missing } = found;
      return { objects, inventory: { expected, fetched, missing: missing.length, firstMissing: missing.slice(0, 3) } };
    }
    if (resource.type === 'files') return { objects: await extractFiles({ ...options, now: new Date(), onProgress }) };
    // Without the table, what the cursor says is loaded is not there.
    const full = force || !(await tableExists(database, project.schemas.raw, resource.table));
    const { objects, extractId } = await extractHttp({ ...options, environment: process.env, force, full, onProgress });
    return { objects, extractId };
  }

  /** The load's own step, for the run's record: nothing was loaded, and that is its outcome. */
  async function reuseLoad(id: string, run: RunRef, result: LoadSummary, reason: string): Promise<void> {
    await runStep(dependencies, { run, step: stepNames.load(id), stage: 'elt' }, async () => ({
      result,
      status: 'reused',
      reason: reason === 'unchanged' ? 'the same files are loaded' : reason,
    }));
  }
}

/** Nothing came, and what is there stays: only `replace` makes an empty table of it. */
function isWithoutRows({ write }: ResourceConfig, { objects }: { readonly objects: readonly unknown[] }): boolean {
  return objects.length === 0 && write !== 'replace';
}

/** All that a source has, though its table appends: these rows are the ones that are there, too. */
function startsAnew({ write }: ResourceConfig, landed: LandedExtract | undefined): boolean {
  return write === 'append' && landed?.checkpoint !== undefined && landed.cursorFrom === undefined;
}

/** In the transaction that makes the rows visible. A `replace` always begins anew, so it keeps no checkpoint. */
async function commitCheckpoint(
  session: Session,
  { env, project }: RunRef,
  { id, write }: ResourceConfig,
  { checkpoint: to, cursorFrom: from }: LandedExtract,
): Promise<void> {
  if (to !== undefined && write !== 'replace')
    await moveCheckpoint(session, { env, project, resource: id }, { from, to });
}

/** What the newest load left. Throws `ELT_SOURCE_EMPTY` (terminal) when there was none, as no row says what the columns are. */
async function formerLoad(
  database: Queryable,
  run: RunRef,
  { id, at }: ResourceConfig,
): Promise<{ reuse: Reusable<LoadSummary> }> {
  const newest = await newestResult<LoadSummary>(database, run.env, run.project, stepNames.load(id));
  if (newest !== undefined) return { reuse: { result: newest.result, reason: 'no new rows' } };
  throw new TerminalError('ELT_SOURCE_EMPTY', `Reading ${id} gave no rows, and its table is not there yet.`, {
    at,
    next: 'Run it when there are rows: they say what columns the table has.',
  });
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

function extractSummary({ cursor }: ResourceConfig, landed: LandedExtract, rowsLate: number): ExtractSummary {
  const { pages, cursorFrom: from, cursorTo: to, cursorMissing: rowsWithout } = landed;
  if (cursor === undefined) return { pages };
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  return { pages, cursor: { field: cursor.field, ...range, rowsLate, rowsWithout } };
}

/**
 * The version names the table's content. A `replace` is what its files are; an `append` or a `merge` also holds what
 * earlier files left, so each publication is a version of its own.
 */
function summarize(
  resource: ResourceConfig,
  loads: readonly LoadedObject[],
  published: Omit<PublishResult, 'status'>,
  inputs: StepInputs,
  landed: LandedExtract | undefined,
): LoadSummary {
  const sum = (pick: (load: LoadedObject) => number): number => loads.reduce((total, load) => total + pick(load), 0);
  return {
    resource: resource.id,
    table: published.table,
    rowsRead: sum((load) => load.rowsRead),
    rowsLoaded: sum((load) => load.rowsLoaded),
    rowsRejected: sum((load) => load.rowsRejected),
    rowsDuplicate: sum((load) => load.rowsDuplicate),
    tableRows: published.rows,
    version: fingerprint(resource.write === 'replace' ? inputs : { ...inputs, publication: String(published.version) }),
    objects: loads.map(({ path, sha256, loadId }) => ({ path, sha256, loadId })),
    ...(landed === undefined ? {} : { extract: extractSummary(resource, landed, published.rowsLate ?? 0) }),
    // Many files of one form say the same.
    notices: [...new Set(loads.flatMap((load) => load.notices))].slice(0, 20),
  };
}
