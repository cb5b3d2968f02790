import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type * as ExtractFiles from '../../src/elt/extract/extract-files.js';
import type * as LoadObject from '../../src/elt/load/load-object.js';
import type { LoadOptions } from '../../src/elt/load/load-object.js';
import type * as PublishResource from '../../src/elt/load/publish-resource.js';
import type * as ArtifactStore from '../../src/storage/artifact-store.js';
import type { LoadResult } from '../../src/elt/load/load-result.js';
import type { Database } from '../../src/model/database.js';
import type { ResourceConfig } from '../../src/model/project.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { INSTALLATION } from '../support/stack.js';
import { blindToWriters, withSession } from '../support/with-session.js';

// The compiled modules of the installation, so that the mutation tests can run these same tests against a changed copy.
const compiled = async <T>(path: string): Promise<T> =>
  (await import(pathToFileURL(join(INSTALLATION, 'dist', path)).href)) as T;
const { loadObject } = await compiled<typeof LoadObject>('elt/load/load-object.js');
const { publishResource } = await compiled<typeof PublishResource>('elt/load/publish-resource.js');
const { extractFiles } = await compiled<typeof ExtractFiles>('elt/extract/extract-files.js');
const { openDirectoryStore } = await compiled<typeof ArtifactStore>('storage/artifact-store.js');

const ROWS = 1_000;
const schemas = { raw: 'demo_dev_raw', main: 'demo_dev', stage: 'demo_dev_stage' };

let folder: string;
let testDatabase: TestDatabase;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-load-once-'));
  testDatabase = await createTestDatabase();
});
afterAll(async () => {
  await testDatabase.drop();
  await rm(folder, { recursive: true, force: true });
});

/** One file of ROWS rows, extracted; `load` and `publish` as one run does them. */
async function fileOf(name: string) {
  const resource: ResourceConfig = {
    id: name,
    source: name,
    table: name,
    type: 'files',
    format: 'auto',
    path: `${name}.csv`,
    write: 'append',
    primaryKey: [],
    columns: {},
    maxRejectedShare: 0,
    at: { file: 'plumbline.yaml', line: 3 },
  };
  const lines = Array.from({ length: ROWS }, (_, index) => `${index},v${index}`);
  await writeFile(join(folder, resource.path), `id,v\n${lines.join('\n')}\n`);
  const { database } = testDatabase;
  const store = openDirectoryStore(join(folder, 'store'));
  const shared = { store, env: 'dev', project: 'demo', schemas, resource };
  const [object] = await extractFiles({ ...shared, database, root: folder, runId: 'run-1', now: new Date() });
  return {
    load: (options: Partial<LoadOptions> & { readonly runId: string }) =>
      loadObject({ ...shared, database, object: object!, chunkRows: 300, ...options }),
    publish: (loads: readonly LoadResult[], runId: string) => publishResource({ ...shared, database, loads, runId }),
    async table() {
      const [found] = await database.query(
        `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids, sum(id)::int AS sum FROM demo_dev_raw."${name}"`,
      );
      return found;
    },
  };
}
const EVERY_ROW_ONCE = { rows: ROWS, ids: ROWS, sum: (ROWS * (ROWS - 1)) / 2 };

it('a writer whose load was taken over commits nothing', async () => {
  const file = await fileOf('taken_over');
  const { database } = testDatabase;
  const held = holdBeforeCopy(database, 2);
  const former = file.load({ runId: 'run-1', database: held.database }).catch((error: unknown) => error);
  await held.reached;
  // As after a failover: the former writer's connection is not seen, so only the ledger can stop it.
  const heir = await file.load({ runId: 'run-2', database: blindToWriters(database) });
  held.release();
  expect(await former).toMatchObject({ code: 'ELT_LOAD_FENCED' });
  expect(await file.publish([heir], 'run-2')).toMatchObject({ rows: ROWS });
  expect(await file.table()).toEqual(EVERY_ROW_ONCE);
});

it('a later run goes on where one that died stopped, and finds its load again', async () => {
  const file = await fileOf('resumed');
  const stop = new AbortController();
  const died = file.load({
    runId: 'run-1',
    signal: stop.signal,
    onProgress: ({ rowsRead }) => rowsRead >= 600 && stop.abort(),
  });
  await expect(died).rejects.toThrow(/abort/i);
  const load = await file.load({ runId: 'run-2' });
  expect(load.resumedFromRow).toBeGreaterThanOrEqual(601);
  await file.publish([load], 'run-2');
  expect(await file.load({ runId: 'run-3' })).toMatchObject({ loadId: load.loadId, status: 'already_loaded' });
  expect(await file.table()).toEqual(EVERY_ROW_ONCE);
});

/** Stops before the `at`-th COPY until released, as a process that the system froze there. */
function holdBeforeCopy(
  database: Database,
  at: number,
): { database: Database; reached: Promise<void>; release: () => void } {
  let release = (): void => {};
  let reach = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  let copies = 0;
  const held = withSession(database, (session) => ({
    ...session,
    async copyFrom(...copy) {
      if (++copies === at) {
        reach();
        await released;
      }
      return session.copyFrom(...copy);
    },
  }));
  return { database: held, reached, release };
}
