import { tmpdir } from 'node:os';
import type {
  ExtractResult,
  ExtractSummary,
  LoadedObject,
  LoadObjectInput,
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
  publishResourceInput,
  resourceInput,
  retryRejectsInput,
  transformInput,
} from '../contracts/elt.js';
import { TerminalError } from '../errors.js';
import { moveCheckpoint } from '../elt/cursor/checkpoint-state.js';
import { extractFiles } from '../elt/extract/extract-files.js';
import { extractHttp } from '../elt/extract/extract-http.js';
import { extractInventory } from '../elt/extract/extract-inventory.js';
import { extractProgram } from '../elt/extract/extract-program.js';
import { landedExtract, type LandedExtract } from '../elt/extract/extract-progress.js';
import { extractSinger } from '../elt/extract/extract-singer.js';
import { statedColumns } from '../elt/extract/stated-columns.js';
import { assertFresh } from '../elt/freshness/source-freshness.js';
import { compileInventory } from '../elt/inventory/compile-inventory.js';
import { compileParents } from '../elt/inventory/compile-parents.js';
import { loadObject } from '../elt/load/load-object.js';
import type { ExtractedObject, LoadResult } from '../elt/load/load-result.js';
import { extractPostgres } from '../elt/postgres/extract-postgres.js';
import { loadPostgres, type SourceObject } from '../elt/postgres/load-postgres.js';
import { publishResource, type PublishOptions, type PublishResult } from '../elt/load/publish-resource.js';
import { retryRejects, type RetryResult } from '../elt/load/retry-rejects.js';
import { buildTransform, type TransformResult } from '../elt/transform/build-transform.js';
import type { Queryable, Session } from '../model/database.js';
import type { Project, ResourceConfig } from '../model/project.js';
import type { ActivityDependencies } from './dependencies.js';
import {
  findReusable,
  fingerprint,
  inputVersions,
  isSameCode,
  loadInputs,
  SETTINGS,
  stepNames,
  transformInputs,
  type Found,
  type Reusable,
  type StepInputs,
} from './fingerprint.js';
import { filesOf } from './files-of.js';
import { mergedLast } from './merged-last.js';
import { bundleFolder, projectOf, resourceNamed, sourceFolder, transformNamed } from './project-code.js';
import { recordOutcome, saveOutcome } from './save-outcome.js';
import { compileFor } from './selected-steps.js';
import { newestResult, type StepResultRow } from '../storage/step-results.js';
import { runStep, type StepScope } from './step.js';
import { withSourceDatabase } from './source-database.js';
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
        async ({ database, signal, progress, attempt, fence }) => {
          const project = await projectOf(dependencies, run);
          const resource = resourceNamed(project, id);
          const landed = await extract(project, resource, run, { database, signal, progress, attempt });
          const inputs = loadInputs(resource, landed.objects, run.interval);
          const found = isWithoutRows(resource, landed)
            ? await formerLoad(database, run, resource)
            : await reusableLoad(database, run, resource, landed.objects);
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
        const load = await loadOne(project, resourceNamed(project, id), object, run, { database, signal, progress });
        const { loadId, status, path, sha256, rowsRead, rowsLoaded, rowsRejected, rowsDuplicate, rowsOutside } = load;
        const left = rowsOutside === 0 ? {} : { rowsOutside };
        const counts = { rowsRead, rowsLoaded, rowsRejected, rowsDuplicate, ...left };
        const notices = [...(object.notices ?? []), ...load.notices].slice(0, 3);
        const dropped = Object.keys(load.discarded).length === 0 ? {} : { discarded: load.discarded };
        const result = { loadId, status, path, sha256, ...counts, ...dropped, notices };
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
        const inputs = loadInputs(resource, loads, run.interval);
        const summary = (publishing: Omit<PublishResult, 'status'>): LoadSummary => ({
          ...summarize(resource, loads, publishing, inputs, landed, former),
          ...(inventory === undefined ? {} : { inventory }),
        });
        const found = await findReusable<LoadSummary>(database, run, step, inputs, 'newest');
        const landed = extractId === undefined ? undefined : await landedExtract(database, extractId, resource.cursor);
        const former = await newestResult<LoadSummary>(database, run.env, run.project, step);
        let recorded: LoadSummary | undefined;
        const published = await publishResource({
          database,
          env: run.env,
          project: project.name,
          schemas: project.schemas,
          resource,
          isFull: isFull(landed),
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
        const result = recorded ?? summary(published);
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
            : { corrected: { path: await store.localPath(file.sha256), file: file.name, sha256: file.sha256 } }),
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
        const stale = await assertFresh(database, project, node.sources);
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

  async function loadOne(
    project: Project,
    resource: ResourceConfig,
    object: ExtractedObject,
    run: RunRef,
    { database, signal, progress }: Pick<StepScope, 'database' | 'signal' | 'progress'>,
  ): Promise<LoadResult> {
    const { env, runId, force } = run;
    const options = { database, env, project: project.name, schemas: project.schemas, resource, runId, force, signal };
    if (resource.type === 'postgres')
      return withSourceDatabase(resource, run, (opened) =>
        loadPostgres({
          ...options,
          ...opened,
          object: object as SourceObject,
          onProgress: (at) => progress({ ...at }),
        }),
      );
    const stated = object.statedBy === undefined ? undefined : await statedColumns(database, object.statedBy);
    return loadObject({
      ...options,
      store,
      object,
      ...(stated !== undefined && { stated }),
      code: await bundleFolder(dependencies, run),
      onProgress: ({ rowsRead, rowsTotal, rowsRejected }) =>
        progress({ rows: rowsRead, of: rowsTotal, rejected: rowsRejected }),
    });
  }

  async function extract(
    project: Project,
    resource: ResourceConfig,
    run: RunRef,
    { database, signal, progress, attempt }: Omit<StepScope, 'fence'>,
  ): Promise<Pick<ExtractResult, 'extractId' | 'inventory'> & { objects: readonly ExtractedObject[] }> {
    const { env, runId, force, interval } = run;
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
    if (resource.type === 'files') {
      const about = resource.interval === undefined ? undefined : interval;
      const asked = { ...options, resource: filesOf(resource, about), now: new Date(), onProgress };
      const objects = await extractFiles(asked);
      if (about === undefined) return { objects };
      const { start, end } = about;
      return { objects: objects.map((object) => ({ ...object, interval: { start, end } })) };
    }
    // Without the table, what the cursor says is loaded is not there.
    const full = force || !(await tableExists(database, project.schemas.raw, resource.table));
    if (resource.type === 'postgres')
      return withSourceDatabase(resource, run, (opened) => extractPostgres({ ...options, ...opened, full }));
    const asked = { ...options, environment: process.env, force, full, onProgress };
    if (resource.type === 'http') {
      const parents = compileParents(project, resource);
      const { objects, extractId } = await extractHttp({
        ...asked,
        ...(interval === undefined ? {} : { interval }),
        ...(parents === undefined ? {} : { parents }),
      });
      return { objects, extractId };
    }
    const codeRoot = await bundleFolder(dependencies, run);
    const onLog = (line: string): void => dependencies.log.info({ run: runId, resource: resource.id }, line);
    const program = { ...asked, codeRoot, attempt, onLog };
    if (resource.type === 'singer') return extractSinger({ ...program, scratch: dependencies.scratchDir ?? tmpdir() });
    return extractProgram(program);
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

/** All that a source has that says by itself where to go on from. */
function isFull(landed: LandedExtract | undefined): boolean {
  return landed?.checkpoint !== undefined && landed.cursorFrom === undefined;
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
  { id, at }: ResourceConfig,
): Promise<{ reuse: Reusable<LoadSummary> }> {
  const newest = await newestResult<LoadSummary>(database, run.env, run.project, stepNames.load(id));
  if (newest !== undefined) return { reuse: { result: newest.result, reason: 'no new rows' } };
  throw new TerminalError('ELT_SOURCE_EMPTY', `Reading ${id} gave no rows, and its table is not there yet.`, {
    at,
    next: 'Run it when there are rows: they say what columns the table has.',
  });
}

/** Of the step's row, not of the outcome that later runs reuse: how old a source is changes with the clock. */
function withStale(result: TransformSummary, stale: readonly string[]): TransformSummary {
  return stale.length === 0 ? result : { ...result, stale };
}

/** What the publication changed, or left, that its counts do not tell; one sentence each. */
function publicationNotices(
  resource: ResourceConfig,
  loads: readonly LoadedObject[],
  { columnsAdded, typesChanged, anomalies = [] }: Pick<PublishResult, 'columnsAdded' | 'typesChanged' | 'anomalies'>,
): string[] {
  const { id } = resource;
  const dropped = new Map<string, number>();
  for (const { discarded = {} } of loads)
    for (const [name, values] of Object.entries(discarded)) dropped.set(name, (dropped.get(name) ?? 0) + values);
  return [
    ...anomalies.map((anomaly) => `${id}: unusual: ${anomaly}`),
    ...(columnsAdded.length === 0 ? [] : [`${id}: new columns: ${columnsAdded.join(', ')}`]),
    ...(resource.merge?.closesGone === true && loads.some(({ rowsRejected }) => rowsRejected > 0)
      ? [`${id}: rows that are gone were not closed, as rejected ones may be among them`]
      : []),
    ...typesChanged.map(({ column, from, to }) => `${id}: column ${column} is ${to} now, it was ${from}`),
    ...[...dropped].map(([name, values]) => `${id}: ${values} values of column ${name} were dropped by its contract`),
  ];
}

/** The load's summary after some of its rejected rows came in; what the table holds is a version of its own. */
function summarizeRetry(
  { schemas }: Project,
  resource: ResourceConfig,
  loadId: string,
  { accepted, rejected, duplicate, displaced, leftOut, rows, version }: RetryResult,
  former: LoadSummary | undefined,
): LoadSummary {
  // The newest publication of an incremental resource may be of other loads.
  const isPart = former?.objects.some((object) => object.loadId === loadId) ?? false;
  const notices = [
    `${resource.id}: of load ${loadId}, ${accepted} rejected rows are in the table now, ${rejected} stay rejected`,
    ...(duplicate === 0 ? [] : [`${resource.id}: ${duplicate} have a primary key that a later row has`]),
    ...(leftOut === 0 ? [] : [`${resource.id}: ${leftOut} rows were left out, they are not rejected (any more)`]),
  ];
  return {
    resource: resource.id,
    table: `${schemas.raw}.${resource.table}`,
    rowsRead: former?.rowsRead ?? 0,
    rowsLoaded: (former?.rowsLoaded ?? 0) + (isPart ? accepted - displaced : 0),
    rowsRejected: (former?.rowsRejected ?? 0) - (isPart ? accepted + duplicate : 0),
    rowsDuplicate: (former?.rowsDuplicate ?? 0) + (isPart ? duplicate + displaced : 0),
    tableRows: rows,
    version: fingerprint({ resource: resource.id, publication: String(version) }),
    objects: former?.objects ?? [],
    ...(former?.extract === undefined ? {} : { extract: former.extract }),
    retried: { loadId, accepted, rejected },
    notices,
  };
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

function extractSummary({ type, cursor }: ResourceConfig, landed: LandedExtract, rowsLate: number): ExtractSummary {
  const { pages, parents, cursorFrom: from, cursorTo: to, cursorMissing: rowsWithout } = landed;
  const asked = type === 'http' ? { pages, ...(parents === undefined ? {} : { parents }) } : {};
  if (cursor === undefined) return asked;
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  return { ...asked, cursor: { field: cursor.field, ...range, rowsLate, rowsWithout } };
}

/**
 * The version names the table's content. A `replace` is what its files are; an `append` or a `merge` also holds what
 * earlier files left, so each publication that changes a row is a version of its own.
 */
function summarize(
  resource: ResourceConfig,
  loads: readonly LoadedObject[],
  published: Omit<PublishResult, 'status'>,
  inputs: StepInputs,
  landed: LandedExtract | undefined,
  former: StepResultRow<LoadSummary> | undefined,
): LoadSummary {
  const sum = (pick: (load: LoadedObject) => number): number => loads.reduce((total, load) => total + pick(load), 0);
  const { rowsRemoved } = published;
  const outside = sum((load) => load.rowsOutside ?? 0);
  const removed = rowsRemoved === undefined ? [] : [`${rowsRemoved} rows of older versions of the table were removed.`];
  return {
    resource: resource.id,
    table: published.table,
    rowsRead: sum((load) => load.rowsRead),
    rowsLoaded: sum((load) => load.rowsLoaded),
    rowsRejected: sum((load) => load.rowsRejected),
    rowsDuplicate: sum((load) => load.rowsDuplicate),
    ...(outside === 0 ? {} : { rowsOutside: outside }),
    tableRows: published.rows,
    version: isAsBefore(published, inputs, former)
      ? former!.result.version
      : fingerprint(resource.write === 'replace' ? inputs : { ...inputs, publication: String(published.version) }),
    objects: loads.map(({ path, sha256, loadId }) => ({ path, sha256, loadId })),
    ...(landed === undefined ? {} : { extract: extractSummary(resource, landed, published.rowsLate ?? 0) }),
    // Many files of one form say the same.
    notices: [
      ...new Set([
        ...removed,
        ...publicationNotices(resource, loads, published),
        ...loads.flatMap((load) => load.notices),
      ]),
    ].slice(0, 20),
  };
}

/** What came again was there: the table holds what it held. */
function isAsBefore(
  { rowsChanged, columnsAdded }: Omit<PublishResult, 'status'>,
  inputs: StepInputs,
  former: StepResultRow<LoadSummary> | undefined,
): boolean {
  const isSameCode = ['loader', SETTINGS].every((name) => former?.inputs[name] === inputs[name]);
  return rowsChanged === 0 && columnsAdded.length === 0 && isSameCode;
}
