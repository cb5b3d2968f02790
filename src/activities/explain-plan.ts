import { isUrl, lastFetched } from '../elt/extract/extract-url.js';
import { hashFiles } from '../elt/extract/hash-files.js';
import { compileTransforms } from '../elt/transform/compile-transforms.js';
import type { PlanLine, PlanResult, RunRef } from '../contracts/run.js';
import type { Queryable } from '../model/database.js';
import type { Project, ResourceConfig } from '../model/project.js';
import { newestResult } from '../storage/step-results.js';
import type { TrainingSetSummary } from '../contracts/features.js';
import type { ActivityDependencies } from './dependencies.js';
import { readsOf } from './features.js';
import {
  featuresInputs,
  findReusable,
  inputVersions,
  loadInputs,
  stepNames,
  trainInputs,
  transformInputs,
  type StepInputs,
} from './fingerprint.js';
import { viewsOf } from './project-code.js';

/** Goes through the steps of a run in order: a step is redone when its own inputs changed or one it reads is redone. */
export async function explainSteps(
  dependencies: ActivityDependencies,
  run: RunRef,
  project: Project,
): Promise<PlanResult> {
  const { database } = dependencies;
  const lines: PlanLine[] = [];
  const redone = new Set<string>();
  const decide = async (
    step: string,
    reads: readonly string[],
    kind: 'newest' | 'content',
    inputs: () => Promise<StepInputs>,
  ): Promise<void> => {
    const upstream = reads.filter((one) => redone.has(one));
    const found =
      upstream.length > 0
        ? { reason: `after ${upstream.join(', ')}` }
        : await findReusable(database, run, step, await inputs(), kind);
    const reuse = 'reuse' in found ? found.reuse : undefined;
    if (reuse === undefined) redone.add(step);
    const reason = reuse === undefined ? (found as { reason: string }).reason : reuse.reason;
    lines.push({ step, action: reuse === undefined ? 'run' : 'reuse', reason });
  };
  const stepsRead = (reads: { sources: readonly string[]; refs: readonly string[] }): string[] => [
    ...reads.sources.map(stepNames.load),
    ...reads.refs.map(stepNames.transform),
  ];

  for (const resource of project.resources) {
    await decide(stepNames.load(resource.id), [], 'newest', async () =>
      loadInputs(resource, await foreseenObjects(database, run, resource)),
    );
  }
  const graph = compileTransforms({
    transforms: project.transforms,
    schemas: project.schemas,
    resources: project.resources,
  });
  for (const node of graph.nodes) {
    const transform = project.transforms.find((one) => one.name === node.name)!;
    const reads = { sources: node.sources, refs: node.deps };
    await decide(stepNames.transform(node.name), stepsRead(reads), 'newest', async () =>
      transformInputs(transform, await inputVersions(database, project, reads)),
    );
  }
  const { train } = project;
  if (train === undefined) return { lines, defaults: project.defaults, assumptions: [] };

  const sets = ['main', ...train.variants.map((variant) => variant.name)];
  const assumptions = new Set<string>();
  for (const set of sets) {
    const views = viewsOf(project, set);
    for (const view of views) if (view.assumption !== undefined) assumptions.add(`${view.name}: ${view.assumption}`);
    for (const view of views)
      if (view.knownAt === undefined) assumptions.add(`${view.name}: known = event time (assumed)`);
    const reads = readsOf(project, [train.labels, ...views]);
    await decide(stepNames.features(set), stepsRead(reads), 'content', async () =>
      featuresInputs(train, views, await inputVersions(database, project, reads)),
    );
  }
  for (const set of sets) {
    await decide(stepNames.train(set, train.trainer.type), [stepNames.features(set)], 'content', async () => {
      const newest = await newestResult<TrainingSetSummary>(database, run.env, run.project, stepNames.features(set));
      return trainInputs(train, train.trainer.type, newest?.result.trainingSet.artifact.sha256 ?? 'none');
    });
  }
  return { lines, defaults: project.defaults, assumptions: [...assumptions] };
}

/** A plan asks no server: what a URL gave last stands for what it will give. */
async function foreseenObjects(
  database: Queryable,
  run: Pick<RunRef, 'env' | 'project' | 'root'>,
  resource: ResourceConfig,
): Promise<{ path: string; sha256: string }[]> {
  const { path } = resource;
  if (!isUrl(path)) return hashFiles(run.root, resource);
  const last = await lastFetched(database, { env: run.env, project: run.project, resource });
  return last === undefined ? [] : [{ path, sha256: last.sha256 }];
}
