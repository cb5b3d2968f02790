import type { RunRef } from '../contracts/run.js';
import { statedColumns } from '../elt/extract/stated-columns.js';
import { loadObject } from '../elt/load/load-object.js';
import type { ExtractedObject, LoadResult } from '../elt/load/load-result.js';
import { loadPostgres, type SourceObject } from '../elt/postgres/load-postgres.js';
import type { Project, ResourceConfig } from '../model/project.js';
import type { ActivityDependencies } from './dependencies.js';
import { filesOf } from './files-of.js';
import { bundleFolder } from './project-code.js';
import { rawStore } from './raw-store.js';
import { withSourceDatabase } from './source-database.js';
import type { StepScope } from './step.js';

/** Brings an object into its stage: what of a database is read from there, everything else from the landing zone. */
export async function loadSource({
  dependencies,
  project,
  resource,
  object,
  run,
  scope: { database, signal, progress, output },
}: {
  readonly dependencies: ActivityDependencies;
  readonly project: Project;
  readonly resource: ResourceConfig;
  readonly object: ExtractedObject;
  readonly run: RunRef;
  readonly scope: Pick<StepScope, 'database' | 'signal' | 'progress' | 'output'>;
}): Promise<LoadResult> {
  const { env, runId, force } = run;
  const options = { database, env, project: project.name, schemas: project.schemas, resource, runId, force, signal };
  if (resource.type === 'postgres')
    return withSourceDatabase(resource, run, (opened) =>
      loadPostgres({
        ...options,
        ...opened,
        object: object as SourceObject,
        onProgress: (at) => progress({ ...at }),
        onLog: output,
      }),
    );
  const stated = object.statedBy === undefined ? undefined : await statedColumns(database, object.statedBy);
  return loadObject({
    ...options,
    resource: filesOf(resource, run.interval),
    store: rawStore(dependencies, run),
    object,
    ...(stated !== undefined && { stated }),
    code: await bundleFolder(dependencies, run),
    onLog: output,
    onProgress: ({ rowsRead, rowsTotal, rowsRejected }) =>
      progress({ rows: rowsRead, of: rowsTotal, rejected: rowsRejected }),
  });
}
