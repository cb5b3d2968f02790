import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { extractFiles } from '../../../src/elt/extract/extract-files.js';
import { loadObject, type LoadOptions } from '../../../src/elt/load/load-object.js';
import type { LoadResult } from '../../../src/elt/load/load-result.js';
import { markShortened } from '../../../src/elt/load/mark-shortened.js';
import { publishResource, type PublishResult } from '../../../src/elt/load/publish-resource.js';
import type { ArtifactStore } from '../../../src/model/artifact.js';
import { objectName } from '../../../src/model/object-name.js';
import type { ResourceConfig, Schemas } from '../../../src/model/project.js';
import { openDirectoryStore } from '../../../src/storage/artifact-store.js';
import type { OpenDatabase } from '../../../src/storage/database.js';
import { createTestDatabase } from '../../setup/database.js';

export const schemas: Schemas = { raw: 'demo_dev_raw', main: 'demo_dev', stage: 'demo_dev_stage' };

export interface Workbench {
  readonly url: string;
  readonly database: OpenDatabase;
  readonly store: ArtifactStore;
  readonly storeFolder: string;
  readonly root: string;
  write(path: string, content: string | Uint8Array): Promise<void>;
  /** Extract and load, without publication. */
  stage(resource: ResourceConfig, options?: Partial<LoadOptions>): Promise<LoadResult[]>;
  /** Extract, load, publish. */
  run(
    resource: ResourceConfig,
    options?: Partial<LoadOptions>,
  ): Promise<{ loads: LoadResult[]; published: PublishResult }>;
  /** The published table, in the order of its files' rows. */
  rows(table: string, columns?: string): Promise<Record<string, unknown>[]>;
  stages(): Promise<string[]>;
  close(): Promise<void>;
}

/** A project folder, an artifact store and a database of its own. */
export async function openWorkbench(): Promise<Workbench> {
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-elt-'));
  const root = join(folder, 'project');
  await mkdir(root);
  const storeFolder = join(folder, 'store');
  const store = openDirectoryStore(storeFolder);
  const testDatabase = await createTestDatabase();
  const { database, url } = testDatabase;
  const base = { database, store, env: 'dev', project: 'demo', schemas, runId: 'run-1' };
  const bench: Workbench = {
    url,
    database,
    store,
    storeFolder,
    root,
    async write(path, content) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    },
    async stage(resource, options = {}) {
      const now = new Date();
      const objects = await extractFiles({
        ...base,
        root,
        resource,
        now,
        ...(options.runId !== undefined && { runId: options.runId }),
      });
      const named = objects.map((object) => ({ ...object, path: objectName(object.path) }));
      const loads: LoadResult[] = [];
      for (const object of await markShortened(database, base, resource, named))
        loads.push(await loadObject({ ...base, resource, object, ...options }));
      return loads;
    },
    async run(resource, options = {}) {
      const loads = await bench.stage(resource, options);
      const published = await publishResource({
        ...base,
        resource,
        loads,
        ...(options.runId !== undefined && { runId: options.runId }),
      });
      return { loads, published };
    },
    rows: (table, columns = '*') =>
      database.query(`SELECT ${columns} FROM ${schemas.raw}."${table}" ORDER BY _load_id, _row_number`),
    async stages() {
      const rows = await database.query<{ name: string }>(
        `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND relkind = 'r' ORDER BY 1`,
        [schemas.stage],
      );
      return rows.map(({ name }) => name);
    },
    async close() {
      await testDatabase.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return bench;
}

export function resourceOf(overrides: Partial<ResourceConfig> & { readonly path: string }): ResourceConfig {
  return {
    id: 'things',
    source: 'things',
    table: 'things',
    type: 'files',
    format: 'auto',
    write: 'replace',
    primaryKey: [],
    columns: {},
    maxRejectedShare: 0.01,
    at: { file: 'plumbline.yaml', line: 3 },
    ...overrides,
  };
}
