import { isS3 } from '../s3/location.js';
import { foreseeInventory } from '../elt/extract/extract-inventory.js';
import { isUrl, isUrlOfArchive, lastFetched } from '../elt/extract/extract-url.js';
import { filesOf } from './files-of.js';
import { lastSeen } from '../elt/extract/last-seen.js';
import { leaveOutCopies } from '../elt/load/leave-out-copies.js';
import { hashFiles } from '../elt/extract/hash-files.js';
import type { TrainingSetSummary } from '../contracts/features.js';
import type { LoadSummary } from '../contracts/elt.js';
import type { PlanLine, PlanResult, RunRef } from '../contracts/run.js';
import type { BaselineSummary, RegisteredModel, TrainedSummary } from '../contracts/training.js';
import { stepNames } from '../contracts/step-names.js';
import { compileInventory } from '../elt/inventory/compile-inventory.js';
import { leftTables } from '../elt/load/left-tables.js';
import { newestSchemaChanges } from '../elt/load/schema-changes.js';
import { whatIsAsked } from '../elt/extract/what-is-asked.js';
import { whatIsRead } from '../elt/postgres/what-is-read.js';
import { TerminalError } from '../errors.js';
import { sourceFreshness } from '../elt/freshness/source-freshness.js';
import { knownAtAssumptions } from '../features/known-at.js';
import type { Queryable } from '../model/database.js';
import { objectName, withObjectName } from '../model/object-name.js';
import type { FeatureViewFile, Project, ResourceConfig, TrainConfig } from '../model/project.js';
import type { TrainingSet } from '../model/training-set.js';
import { acceptedColumns } from '../features/leakage/accepted-columns.js';
import type { ActivityDependencies } from './dependencies.js';
import { explainDeployment } from './explain-deployment.js';
import { readsOf, rewrittenTables, trainingReads } from './features.js';
import { findRegistered } from './find-registered.js';
import {
  baselinesInputs,
  featuresInputs,
  findReusable,
  inputVersions,
  isSameCode,
  loadInputs,
  trainInputs,
  transformInputs,
  type Found,
  type StepInputs,
} from './fingerprint.js';
import { sourceFolder, viewsOf } from './project-code.js';
import { createPlan, plannedSteps } from './run-plan.js';
import { requireInterval, selectedSteps } from './selected-steps.js';
import { resourceExists, tableExists } from './table-exists.js';
import { trainerFor } from './training.js';
import { plural } from '../model/plural.js';

interface PlanScope {
  readonly database: Queryable;
  readonly run: RunRef;
  readonly project: Project;
  readonly isRedone: (step: string) => boolean;
  /** What `plan` warns of; added to. */
  readonly warnings: string[];
  /** Adds a step's line; gives its outcome if that is reused. */
  readonly decide: <T>(
    step: string,
    reads: readonly string[],
    find: () => Promise<Found<T>>,
    redone?: {
      /** Why it would stop the run if it has to be redone. */
      readonly refusal?: string | undefined;
      /** Why it stops the run in any case. */
      readonly blocked?: string | undefined;
      /** Added to the reason. */
      readonly how?: () => Promise<string>;
    },
  ) => Promise<T | undefined>;
}

/** Goes through the steps of a run in order: a step is redone when its own inputs changed or one it reads is redone. */
export async function explainSteps(
  dependencies: ActivityDependencies,
  run: RunRef,
  project: Project,
): Promise<PlanResult> {
  const { database } = dependencies;
  const lines: PlanLine[] = [];
  const warnings: string[] = [];
  const redone = new Set<string>();
  const stopped = new Set<string>();
  const decide: PlanScope['decide'] = async (step, reads, find, { refusal, blocked, how } = {}) => {
    const failing = reads.find((one) => stopped.has(one));
    if (blocked !== undefined || failing !== undefined) {
      stopped.add(step);
      redone.add(step);
      lines.push({ step, action: blocked === undefined ? 'skip' : 'fail', reason: blocked ?? `${failing} fails` });
      return undefined;
    }
    const upstream = reads.filter((one) => redone.has(one));
    const found = upstream.length > 0 ? { reason: `after ${upstream.join(', ')}` } : await find();
    if (found.reuse !== undefined) {
      lines.push({ step, action: 'reuse', reason: found.reuse.reason });
      return found.reuse.result;
    }
    redone.add(step);
    const reason = refusal ?? `${found.reason}${(await how?.()) ?? ''}`;
    lines.push({ step, action: refusal === undefined ? 'run' : 'fail', reason });
    return undefined;
  };
  const scope = { database, run, project, decide, isRedone: (step: string) => redone.has(step), warnings };

  requireInterval(project, run);
  const stale = await explainElt(dependencies, scope);
  const changes = await newestSchemaChanges(database, { env: run.env, project: run.project });
  warnings.push(...(await leftTables(database, project)));
  const schemaChanges = changes.length === 0 ? {} : { schemaChanges: changes };
  const { train, defaults } = project;
  if (train === undefined || run.only !== undefined)
    return { lines, defaults, assumptions: [], warnings, ...schemaChanges };
  const { assumptions, trainingSets } = await explainFeatures(scope, train, stale);
  const failing = lines.find(({ action }) => action === 'fail');
  if (failing === undefined) {
    const registered = await explainTraining(scope, train, trainingSets);
    lines.push(await explainDeployment(database, project, registered));
  } else {
    for (const { step } of plannedSteps(createPlan(project, run), ['training', 'deployment']))
      lines.push({ step, action: 'skip', reason: `${failing.step} fails` });
  }
  return { lines, defaults, assumptions, warnings, ...schemaChanges };
}

/** Gives the sources that are too old for what reads them. */
async function explainElt(dependencies: ActivityDependencies, scope: PlanScope): Promise<StaleSources> {
  const { database, run, project, decide } = scope;
  const { resources, nodes } = selectedSteps(project, run);
  for (const { resource, after } of resources) {
    const step = stepNames.load(resource.id);
    if (resource.inventory !== undefined) {
      await decide(step, after.map(stepNames.load), () => foreseenLoad(dependencies, run, project, resource));
      continue;
    }
    if (resource.type !== 'files') {
      const full = run.force || !(await resourceExists(database, project, resource));
      const at = { env: run.env, project: project.name };
      await decide(step, [], async () => ({
        reason:
          resource.type === 'postgres'
            ? await whatIsRead(database, at, resource, { full, interval: run.interval })
            : await whatIsAsked(database, at, resource, { full, interval: run.interval }),
      }));
      continue;
    }
    await decide(step, [], async () => {
      const objects = await foreseenObjects(dependencies, run, filesOf(resource, run.interval));
      const inputs = loadInputs(resource, objects, run.interval);
      const found = await findReusable<LoadSummary>(database, run, step, inputs, 'newest');
      return ifThere(found, () => resourceExists(database, project, resource));
    });
  }
  const stale = await staleSources(scope);
  for (const node of nodes) {
    const step = stepNames.transform(node.name);
    const transform = project.transforms.find((one) => one.name === node.name)!;
    const reads = { sources: node.sources, refs: node.deps };
    const inputs = async (): Promise<StepInputs> =>
      transformInputs(transform, node.uses, await inputVersions(database, project, reads));
    const find = async (): Promise<Found<unknown>> =>
      ifThere(await findReusable(database, run, step, await inputs(), 'newest'), () =>
        tableExists(database, project.schemas.main, node.name),
      );
    await decide(step, stepsRead(reads), find, {
      blocked: firstStale(stale, node.sources),
      how: async () => {
        if (node.snapshot !== undefined) return ', history kept';
        if (node.incremental === undefined) return '';
        if (node.isByInterval) return ', of the interval only';
        const isThere = await tableExists(database, project.schemas.main, node.name);
        return isThere && (await isSameCode(database, run, step, await inputs())) ? ', new rows only' : ', built whole';
      },
    });
  }
  return stale;
}

/** What was built before is of no use when its table was dropped since. */
async function ifThere<T>(found: Found<T>, isThere: () => Promise<boolean>): Promise<Found<T>> {
  return found.reuse === undefined || (await isThere()) ? found : { reason: 'its table is gone' };
}

/** By resource, with the message. */
type StaleSources = ReadonlyMap<string, string>;

function firstStale(stale: StaleSources, sources: readonly string[]): string | undefined {
  return sources.map((source) => stale.get(source)).find((message) => message !== undefined);
}

/**
 * Resources that are too old for what reads them. One that the run loads first may be fresh by then:
 * that it is old now is only a warning.
 */
async function staleSources({ database, run, project, isRedone, warnings }: PlanScope): Promise<StaleSources> {
  const stale = new Map<string, string>();
  for (const config of project.freshness) {
    const { resource, status, message, newest } = await sourceFreshness(database, project, config, run.interval);
    const isLoaded = isRedone(stepNames.load(resource));
    if (status === 'error' && !isLoaded) stale.set(resource, `ELT_SOURCE_STALE: ${message}`);
    else if (status !== 'pass' && !(isLoaded && newest === undefined)) warnings.push(message);
  }
  return stale;
}

/** Gives the sets that are reused, and what is taken for granted about the views of all of them. */
async function explainFeatures(
  { database, run, project, decide }: PlanScope,
  train: TrainConfig,
  stale: StaleSources,
): Promise<{ readonly assumptions: string[]; readonly trainingSets: ReadonlyMap<string, TrainingSet> }> {
  const assumptions = new Set<string>();
  const trainingSets = new Map<string, TrainingSet>();
  for (const set of setsOf(train)) {
    const step = stepNames.features(set);
    const views = viewsOf(project, set);
    const reads = trainingReads(project, [train.labels, ...views], run);
    const known = assumptionsOf(project, views);
    for (const assumption of [...known.assumptions, ...acceptedColumns(views)]) assumptions.add(assumption);
    const inputs = async (): Promise<StepInputs> =>
      featuresInputs(train, views, reads.uses, await inputVersions(database, project, reads));
    const reused = await decide(
      step,
      stepsRead(reads),
      async () => findReusable<TrainingSetSummary>(database, run, step, await inputs(), 'content'),
      { refusal: known.refusal, blocked: firstStale(stale, reads.sources) },
    );
    if (reused !== undefined) trainingSets.set(set, reused.trainingSet);
  }
  return { assumptions: [...assumptions], trainingSets };
}

function assumptionsOf(
  project: Project,
  views: readonly FeatureViewFile[],
): { readonly assumptions: readonly string[]; readonly refusal?: string } {
  const rewritten = rewrittenTables(project);
  const assumptions: string[] = [];
  for (const view of views) {
    try {
      assumptions.push(...knownAtAssumptions(view, readsOf(project, [view]), rewritten));
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      return { assumptions, refusal: `${error.code}: ${error.message}` };
    }
  }
  return { assumptions };
}

/** Gives the version that is registered already, if the run would end with one. */
async function explainTraining(
  { database, run, project, decide }: PlanScope,
  train: TrainConfig,
  trainingSets: ReadonlyMap<string, TrainingSet>,
): Promise<RegisteredModel | undefined> {
  const { trainer, comparison } = createPlan(project, run).train!;
  // Looked for only when nothing that a step reads is redone: then the set, the model and the baselines are there.
  const baselines = await decide(stepNames.baselines, [stepNames.features('main')], () => {
    const { sha256 } = trainingSets.get('main')!.artifact;
    return findReusable<BaselineSummary[]>(
      database,
      run,
      stepNames.baselines,
      baselinesInputs(train, sha256),
      'content',
    );
  });
  const model = (set: string, type: string): Promise<TrainedSummary | undefined> => {
    const step = stepNames.train(set, type);
    return decide(step, [stepNames.features(set)], () => {
      const trainingSet = trainingSets.get(set)!;
      const inputs = trainInputs(train, trainerFor(train, type, trainingSet).type, trainingSet.artifact.sha256);
      return findReusable<TrainedSummary>(database, run, step, inputs, 'content');
    });
  };
  const trained = await model('main', trainer);
  for (const { name } of train.variants) await model(name, trainer);
  if (comparison !== undefined) await model('main', comparison);
  return decide(stepNames.register, [stepNames.train('main', trainer), stepNames.baselines], async () => {
    const candidate = { trained: trained!, trainingSet: trainingSets.get('main')!, baselines: baselines! };
    return (await findRegistered(database, run, project, candidate)).found;
  });
}

function setsOf(train: TrainConfig): string[] {
  return ['main', ...train.variants.map((variant) => variant.name)];
}

function stepsRead(reads: { readonly sources: readonly string[]; readonly refs: readonly string[] }): string[] {
  return [...reads.sources.map(stepNames.load), ...reads.refs.map(stepNames.transform)];
}

/** A plan asks no server: gaps are counted, and what is landed stands for what will be. */
async function foreseenLoad(
  { database, store }: ActivityDependencies,
  run: RunRef,
  project: Project,
  resource: ResourceConfig,
): Promise<Found<LoadSummary>> {
  const inventory = compileInventory(project, resource);
  const at = { database, store, env: run.env, project: run.project, resource, inventory };
  const { expected, gaps, missing, objects: foreseen } = await foreseeInventory(at);
  if (gaps > 0)
    return { reason: `fetches ${gaps} of ${expected} ${plural(expected, 'object')} that ${resource.path} names` };
  const objects = foreseen.map(withObjectName);
  const inputs = loadInputs(resource, objects);
  const newest = await findReusable<LoadSummary>(database, run, stepNames.load(resource.id), inputs, 'newest');
  const found = await ifThere(newest, () => resourceExists(database, project, resource));
  if (found.reuse === undefined || missing === 0) return found;
  return {
    reuse: {
      ...found.reuse,
      reason: `${found.reuse.reason}; asks again for ${missing} of ${expected} ${plural(expected, 'object')}`,
    },
  };
}

/** A plan asks no server: what a URL or a bucket gave last stands for what it will give. */
async function foreseenObjects(
  dependencies: ActivityDependencies,
  run: RunRef,
  resource: ResourceConfig,
): Promise<{ path: string; sha256: string }[]> {
  const at = { env: run.env, project: run.project, resource };
  const objects = await seenObjects(dependencies, run, resource);
  return [...(await leaveOutCopies(dependencies.database, at, objects)).objects];
}

async function seenObjects(
  dependencies: ActivityDependencies,
  run: RunRef,
  resource: ResourceConfig,
): Promise<{ path: string; sha256: string }[]> {
  const { path } = resource;
  const at = { env: run.env, project: run.project, resource };
  if (isS3(path) || isUrlOfArchive(resource)) return (await lastSeen(dependencies.database, at)).map(withObjectName);
  if (!isUrl(path)) return hashFiles(await sourceFolder(dependencies, run, resource), resource);
  const last = await lastFetched(dependencies.database, at);
  return last === undefined ? [] : [{ path: objectName(path), sha256: last.sha256 }];
}
