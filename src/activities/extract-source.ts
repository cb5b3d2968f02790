import { tmpdir } from 'node:os';
import type { ExtractResult } from '../contracts/elt.js';
import type { RunRef } from '../contracts/run.js';
import { extractFiles } from '../elt/extract/extract-files.js';
import { extractHttp } from '../elt/extract/extract-http.js';
import { extractInventory } from '../elt/extract/extract-inventory.js';
import { extractProgram } from '../elt/extract/extract-program.js';
import { extractSinger } from '../elt/extract/extract-singer.js';
import { compileInventory } from '../elt/inventory/compile-inventory.js';
import { compileParents } from '../elt/inventory/compile-parents.js';
import type { ExtractedObject } from '../elt/load/load-result.js';
import { extractPostgres } from '../elt/postgres/extract-postgres.js';
import { objectName, withObjectName } from '../model/object-name.js';
import type { Project, ResourceConfig } from '../model/project.js';
import type { ActivityDependencies } from './dependencies.js';
import { filesOf } from './files-of.js';
import { bundleFolder, sourceFolder } from './project-code.js';
import { rawStore } from './raw-store.js';
import { withSourceDatabase } from './source-database.js';
import type { StepScope } from './step.js';
import { resourceExists } from './table-exists.js';

export type Extracted = Pick<ExtractResult, 'extractId' | 'inventory'> & {
  readonly objects: readonly ExtractedObject[];
};

interface Extraction {
  readonly dependencies: ActivityDependencies;
  readonly project: Project;
  readonly resource: ResourceConfig;
  readonly run: RunRef;
  readonly scope: Omit<StepScope, 'fence'>;
  /** The run is still to come. @default false */
  readonly ahead?: boolean;
}

/**
 * Gets a resource's rows to the landing zone, or says what of a database is read, each kind of source in its own way. What it gives goes
 * into histories, so it holds names of objects, no whole addresses.
 */
export async function extractSource(extraction: Extraction): Promise<Extracted> {
  const extracted = await extract(extraction);
  return { ...extracted, objects: extracted.objects.map(withObjectName) };
}

async function extract(extraction: Extraction): Promise<Extracted> {
  const { resource } = extraction;
  switch (resource.type) {
    case 'files':
      return resource.inventory === undefined ? files(extraction) : inventory(extraction);
    case 'http':
      return http(extraction);
    case 'postgres':
      return postgres(extraction);
    case 'singer':
      return singer(extraction);
    case 'python':
    case 'plugin':
      return program(extraction);
  }
}

async function files(extraction: Extraction): Promise<Extracted> {
  const { resource, run } = extraction;
  const interval = resource.interval === undefined ? undefined : run.interval;
  const asked = {
    ...(await options(extraction)),
    resource: filesOf(resource, interval),
    now: new Date(),
    force: run.force,
  };
  const objects = await extractFiles(asked);
  if (interval === undefined) return { objects };
  const { start, end } = interval;
  return { objects: objects.map((object) => ({ ...object, interval: { start, end } })) };
}

async function inventory(extraction: Extraction): Promise<Extracted> {
  const { project, resource, run, scope } = extraction;
  const { objects, expected, fetched, missing } = await extractInventory({
    ...(await options(extraction)),
    inventory: compileInventory(project, resource),
    environment: process.env,
    force: run.force,
    onProgress: ({ secondsLeft, ...landed }) =>
      scope.progress(secondsLeft === undefined ? { ...landed } : { ...landed, 'seconds left': secondsLeft }),
  });
  const firstMissing = missing.slice(0, 3).map(objectName);
  return { objects, inventory: { expected, fetched, missing: missing.length, firstMissing } };
}

async function http(extraction: Extraction): Promise<Extracted> {
  const { project, resource, run, ahead = false } = extraction;
  const { interval } = run;
  const parents = compileParents(project, resource);
  const { objects, extractId } = await extractHttp({
    ...(await asked(extraction)),
    ahead,
    ...(interval === undefined ? {} : { interval }),
    ...(parents === undefined ? {} : { parents }),
  });
  return { objects, extractId };
}

async function postgres(extraction: Extraction): Promise<Extracted> {
  const { resource, run } = extraction;
  const { onProgress: _none, ...own } = await options(extraction);
  const full = await isFull(extraction);
  const interval = run.interval === undefined ? {} : { interval: run.interval };
  return withSourceDatabase(resource, run, (opened) => extractPostgres({ ...own, ...opened, ...interval, full }));
}

async function singer(extraction: Extraction): Promise<Extracted> {
  const { scratchDir: scratch = tmpdir() } = extraction.dependencies;
  const { attempt } = extraction.scope;
  return extractSinger({ ...(await code(extraction)), scratch, attempt });
}

async function program(extraction: Extraction): Promise<Extracted> {
  return extractProgram(await code(extraction));
}

/** What every source is given. */
async function options({ dependencies, project, resource, run, scope: { database, signal, progress } }: Extraction) {
  const { env, runId } = run;
  const store = rawStore(dependencies, run);
  const root = await sourceFolder(dependencies, run, resource);
  const onProgress = (landed: object): void => progress({ ...landed });
  return { database, store, env, project: project.name, root, resource, runId, signal, onProgress };
}

/** What a source is given that may be asked for a part, and has secrets. */
async function asked(extraction: Extraction) {
  const { force } = extraction.run;
  return { ...(await options(extraction)), environment: process.env, force, full: await isFull(extraction) };
}

/** What the user's own code is given. */
async function code(extraction: Extraction) {
  const { dependencies, run, scope } = extraction;
  const codeRoot = await bundleFolder(dependencies, run);
  return { ...(await asked(extraction)), codeRoot, onLog: scope.output };
}

/** Without the table, what the cursor says is loaded is not there. */
async function isFull({ project, resource, run, scope: { database } }: Extraction): Promise<boolean> {
  return run.force || !(await resourceExists(database, project, resource));
}
