import { join } from 'node:path';
import type { RunRef } from '../contracts/run.js';
import { TerminalError } from '../errors.js';
import type { FeatureViewFile, Project, ResourceConfig, TrainConfig, TransformFile } from '../model/project.js';
import { loadProject } from '../project/load-project.js';
import { unpackBundle } from '../project/unpack-bundle.js';
import { archivesOf } from '../storage/bundles.js';
import type { ActivityDependencies } from './dependencies.js';

const loaded = new Map<string, Promise<Project>>();

/** The project as the run's bundle has it; unpacked and read once per process, bundle and environment. */
export function projectOf(dependencies: ActivityDependencies, run: Pick<RunRef, 'bundle' | 'env'>): Promise<Project> {
  const key = `${run.bundle.digest} ${run.env}`;
  let project = loaded.get(key);
  if (project === undefined) {
    project = bundleFolder(dependencies, run).then((root) => loadProject({ root, env: run.env }));
    loaded.set(key, project);
    // A failure may have been the store's: the next attempt reads again.
    project.catch(() => loaded.delete(key));
  }
  return project;
}

/** With the archive that the run was started with, or another one of the same code where that is gone: once, only the first was kept. */
export async function bundleFolder(
  dependencies: ActivityDependencies,
  { bundle: { digest, artifact } }: Pick<RunRef, 'bundle'>,
): Promise<string> {
  const { database, store, cacheDir, scratchDir } = dependencies;
  const unpack = (artifactSha256: string): Promise<string> =>
    unpackBundle({
      digest,
      artifactSha256,
      store,
      cacheDir: join(cacheDir, 'bundles'),
      ...(scratchDir === undefined ? {} : { scratchDir }),
    });
  try {
    return await unpack(artifact);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'STORE_OBJECT_MISSING') throw error;
    for (const other of await archivesOf(database, digest))
      if (other !== artifact && (await store.has(other))) return unpack(other);
    throw error;
  }
}

/** Where a resource's relative path starts: seeds are code, other files lie where the run was started. */
export function sourceFolder(
  dependencies: ActivityDependencies,
  run: RunRef,
  { isSeed }: Pick<ResourceConfig, 'isSeed'>,
): Promise<string> {
  return isSeed === true ? bundleFolder(dependencies, run) : Promise.resolve(run.root);
}

export function resourceNamed(project: Project, id: string): ResourceConfig {
  return named(project.resources, (one) => one.id === id, 'resource', id);
}

export function transformNamed(project: Project, name: string): TransformFile {
  return named(project.transforms, (one) => one.name === name, 'transform', name);
}

export function trainOf(project: Project): TrainConfig {
  if (project.train !== undefined) return project.train;
  throw new TerminalError(
    'RUN_STEP_MISSING',
    `Project ${project.name} has no \`train\` section, so there is nothing to train.`,
    {
      next: 'Add `train:` to plumbline.yaml, or run `plumbline run load`.',
    },
  );
}

/** Feature views of a set: the model's own (`main`) or a variant's, in the order the yaml gives. */
export function viewsOf(project: Project, set: string): FeatureViewFile[] {
  const train = trainOf(project);
  const names =
    set === 'main' ? train.features : named(train.variants, (one) => one.name === set, 'variant', set).features;
  return names.map((name) => named(project.features, (view) => view.name === name, 'feature view', name));
}

function named<T>(all: readonly T[], is: (one: T) => boolean, kind: string, name: string): T {
  const found = all.find(is);
  if (found !== undefined) return found;
  throw new TerminalError(
    'RUN_STEP_MISSING',
    `The run asks for ${kind} ${JSON.stringify(name)}, which its code bundle does not have.`,
    {
      next: 'Start a new run with `plumbline run`.',
    },
  );
}
