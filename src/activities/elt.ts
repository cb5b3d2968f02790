import type {
  ExtractResult,
  LoadedObject,
  LoadObjectInput,
  LoadSummary,
  PublishResourceInput,
  ResourceInput,
  TransformInput,
  TransformSummary,
} from '../contracts/elt.js';
import { loadObjectInput, publishResourceInput, resourceInput, transformInput } from '../contracts/elt.js';
import { extractFiles } from '../elt/extract/extract-files.js';
import { loadObject } from '../elt/load/load-object.js';
import type { ExtractedObject } from '../elt/load/load-result.js';
import { publishResource } from '../elt/load/publish-resource.js';
import { buildTransform, type TransformResult } from '../elt/transform/build-transform.js';
import { compileTransforms } from '../elt/transform/compile-transforms.js';
import type { Queryable } from '../model/database.js';
import type { ResourceConfig } from '../model/project.js';
import { qualified } from '../model/sql-identifier.js';
import type { ActivityDependencies } from './dependencies.js';
import {
  findReusable,
  fingerprint,
  inputVersions,
  isSameCode,
  loadInputs,
  stepNames,
  transformInputs,
  type StepInputs,
} from './fingerprint.js';
import { projectOf, resourceNamed, sourceFolder, transformNamed } from './project-code.js';
import { recordOutcome, saveOutcome } from './save-outcome.js';
import { runStep } from './step.js';

export type EltActivities = ReturnType<typeof createEltActivities>;

export function createEltActivities(dependencies: ActivityDependencies) {
  const { store } = dependencies;
  return {
    /** GET: files to the landing zone. When all of them are loaded already, says so and there is nothing to load. */
    async extractResource(input: ResourceInput): Promise<ExtractResult> {
      const { run, resource: id } = resourceInput.parse(input);
      return runStep<ExtractResult>(
        dependencies,
        { run, step: stepNames.extract(id), stage: 'elt' },
        async ({ database, signal, progress, fence }) => {
          const project = await projectOf(dependencies, run);
          const resource = resourceNamed(project, id);
          const { env } = run;
          const objects = await extractFiles({
            database,
            store,
            env,
            project: project.name,
            root: await sourceFolder(dependencies, run, resource),
            resource,
            runId: run.runId,
            now: new Date(),
            signal,
            onProgress: (landed) => progress({ ...landed }),
          });
          const inputs = loadInputs(resource, objects);
          const found = await findReusable<LoadSummary>(database, run, stepNames.load(id), inputs, 'newest');
          if (found.reuse === undefined || !(await exists(database, project.schemas.raw, resource.table))) {
            return {
              result: { objects },
              ...(found.reuse === undefined ? { reason: found.reason } : { reason: 'its table is gone' }),
            };
          }
          const { result } = found.reuse;
          await reuseLoad(id, run, result);
          await saveOutcome(database, run, stepNames.load(id), inputs, result, fence);
          return { result: { objects, reused: result }, status: 'reused', reason: found.reuse.reason };
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
      const { run, resource: id, loads } = publishResourceInput.parse(input);
      const step = stepNames.load(id);
      return runStep(dependencies, { run, step, stage: 'elt' }, async ({ database, signal, progress, fence }) => {
        const project = await projectOf(dependencies, run);
        const resource = resourceNamed(project, id);
        const inputs = loadInputs(resource, loads);
        const found = await findReusable<LoadSummary>(database, run, step, inputs, 'newest');
        let recorded: LoadSummary | undefined;
        const published = await publishResource({
          database,
          env: run.env,
          project: project.name,
          schemas: project.schemas,
          resource,
          loads,
          runId: run.runId,
          signal,
          onProgress: (at) => progress({ ...at }),
          onPublish: async (session, publishing) => {
            recorded = summarize(resource, loads, publishing, inputs);
            await recordOutcome(session, run, step, inputs, recorded, fence);
          },
        });
        const result = recorded ?? summarize(resource, loads, published, inputs);
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
        if (found.reuse !== undefined && (await exists(database, schemas.main, name)))
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

  /** The load's own step, for the run's record: nothing was loaded, and that is its outcome. */
  async function reuseLoad(id: string, run: ResourceInput['run'], result: LoadSummary): Promise<void> {
    await runStep(dependencies, { run, step: stepNames.load(id), stage: 'elt' }, async () => ({
      result,
      status: 'reused',
      reason: 'the same files are loaded',
    }));
  }
}

async function exists(database: Queryable, schema: string, name: string): Promise<boolean> {
  const [row] = await database.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [
    qualified(schema, name),
  ]);
  return row!.found;
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

/**
 * The version names the table's content. A `replace` is what its files are; an `append` or a `merge` also holds what
 * earlier files left, so each publication is a version of its own.
 */
function summarize(
  resource: ResourceConfig,
  loads: readonly LoadedObject[],
  published: { readonly table: string; readonly rows: number; readonly version: number },
  inputs: StepInputs,
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
    // Many files of one form say the same.
    notices: [...new Set(loads.flatMap((load) => load.notices))].slice(0, 20),
  };
}
