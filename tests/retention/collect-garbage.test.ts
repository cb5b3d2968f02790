import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { SharedStore } from '../../src/model/artifact.js';
import { collectGarbage, type CollectionResult } from '../../src/retention/collect-garbage.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { saveBundle } from '../../src/storage/bundles.js';
import { openS3Store } from '../../src/storage/s3-store.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { BUCKET, startS3, type S3Server } from '../support/s3-server.js';

const DAY_MS = 86_400_000;
const OBJECTS = 300;
const LOADER = fileURLToPath(new URL('../setup/typescript-loader.mjs', import.meta.url));
const COLLECT = fileURLToPath(new URL('collect.mjs', import.meta.url));
const options = {
  env: 'dev',
  project: 'shop',
  startedBy: 'test',
  dryRun: false,
  retention: { rawMs: 90 * DAY_MS, runsMs: 90 * DAY_MS, rejectsMs: 30 * DAY_MS, graceMs: DAY_MS },
};

let test: TestDatabase;
let folder: string;
let stores = 0;
beforeAll(async () => {
  test = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'plumbline-gc-'));
});
afterAll(async () => {
  await test.drop();
  await rm(folder, { recursive: true, force: true });
});

/** A store in which every object was last used 30 days ago. */
async function oldStore(contents: readonly string[]): Promise<{
  store: SharedStore;
  root: string;
  hashes: string[];
  age: (sha256: string, days: number) => Promise<void>;
}> {
  const root = join(folder, String(stores++));
  const store = openDirectoryStore(root);
  const hashes: string[] = [];
  const age = async (sha256: string, days: number): Promise<void> => {
    const time = new Date(Date.now() - days * DAY_MS);
    await utimes(join(root, 'sha256', sha256.slice(0, 2), sha256), time, time);
  };
  for (const content of contents) {
    const { sha256 } = await store.put(Buffer.from(content));
    await age(sha256, 30);
    hashes.push(sha256);
  }
  return { store, root, hashes, age };
}

async function there(store: SharedStore): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const { sha256 } of store.list()) found.add(sha256);
  return found;
}

function randomBy(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

/** Each gives an object a reference of its kind. Columns are those of the migrations. */
const REFERENCES: Readonly<Record<string, (sha256: string, n: number) => Promise<unknown>>> = {
  'model: its graph': (sha256, n) => insertModel(n, { onnx: sha256 }),
  'model: its training set': (sha256, n) => insertModel(n, { set: sha256 }),
  'model: its code': async (sha256, n) => {
    await insertModel(n, { bundle: `code ${n}` });
    await insertBundle(`code ${n}`, sha256);
  },
  'lineage: a raw object of its load': async (sha256, n) => {
    await insertModel(n, { set: hash(`set ${n}`) });
    await insertStep(
      `features:main`,
      n,
      { [`ref demand_${n}`]: `t${n}` },
      { trainingSet: { artifact: { sha256: hash(`set ${n}`) } } },
    );
    await insertStep(`transform:demand_${n}`, n, { [`source rides_${n}`]: `l${n}` }, { version: `t${n}` });
    await insertStep(`load:rides_${n}`, n, {}, { version: `l${n}`, objects: [{ path: 'a', sha256, loadId: '1' }] });
  },
  'lineage: a raw object that an earlier load added to its table': async (sha256, n) => {
    await insertModel(n, { set: hash(`set ${n}`) });
    await insertStep(
      `features:main`,
      n,
      { [`source api_${n}`]: `l${n}` },
      { trainingSet: { artifact: { sha256: hash(`set ${n}`) } } },
    );
    await insertStep(`load:api_${n}`, n, {}, { version: `l${n}`, objects: [] });
    // Its interval was loaded anew since; another one of the same file was loaded before.
    const published = `date_trunc('day', now()) - interval '2 years'`;
    for (const [day, loaded] of [sha256, hash(`next ${n}`)].entries())
      await execute(
        `INSERT INTO plumbline.loads (env, project, resource, unit, generation, path, sha256, settings, status, stage_schema, run_id, published_at, interval_start, interval_end)
         VALUES ('dev', 'shop', $1, $3, 1, 'p', $2, 's', 'replaced', 'x', 'gone', ${published}, '2024-01-01'::date + $4::integer, '2024-01-02'::date + $4::integer)`,
        `api_${n}`,
        loaded,
        `u${day}`,
        String(day),
      );
    await execute(
      `INSERT INTO plumbline.resource_versions (env, project, resource, version, write, table_schema, table_name, load_ids, columns, columns_added, row_count, run_id, published_at)
       VALUES ('dev', 'shop', $1, 1, 'append', 'x', 'y', '{}', '[]', '{}', 1, 'gone', ${published})`,
      `api_${n}`,
    );
  },
  'load: in a table': (sha256, n) => insertLoad(sha256, n, 'published'),
  'load: in a batch': async (sha256, n) => {
    await insertLoad(hash(`list ${n}`), n, 'published');
    await execute(`INSERT INTO plumbline.batch_objects (list_sha256, place, url, sha256) VALUES ($1, 1, 'u', $2)`, hash(`list ${n}`), sha256); // prettier-ignore
  },
  'extract: seen lately': (sha256, n) => insertObject(sha256, `file ${n}`, 'now()'),
  'extract: the newest of its file': (sha256, n) => insertObject(sha256, `old file ${n}`, "now() - interval '2 years'"),
  'extract: a page that was not finished': async (sha256, n) => {
    const [row] = await test.database.query<{ id: string }>(
      `INSERT INTO plumbline.extracts (env, project, resource, unit, settings, run_id, started_at) VALUES ('dev', 'shop', $1, 'u', 's', 'r', now() - interval '1 year') RETURNING extract_id AS id`,
      [`api ${n}`],
    );
    await execute(`INSERT INTO plumbline.raw_pages (extract_id, page, url, fetched_at, sha256, bytes, row_count) VALUES ($1, 1, 'u', now(), $2, 1, 1)`, row!.id, sha256); // prettier-ignore
  },
  'run: an outcome that is young': (sha256, n) => insertStep(`train:linear ${n}`, n, {}, { onnx: { sha256 } }, 'now()'),
  'run: a step that failed lately': async (sha256, n) => {
    await insertRun(`failed ${n}`, 'failed', "now() - interval '2 days'");
    await execute(`INSERT INTO plumbline.run_steps (run_id, step, stage, position, status, result) VALUES ($1, 'extract:rides', 'elt', 1, 'succeeded', $2)`, `failed ${n}`, JSON.stringify({ objects: [{ sha256 }] })); // prettier-ignore
  },
  'code: of a schedule': async (sha256, n) => {
    await insertBundle(`scheduled ${n}`, sha256);
    await execute(`INSERT INTO plumbline.schedules (env, project, name, definition, bundle, since, applied_by) VALUES ('dev', 'shop', $1, '{}', $2, now(), 'me')`, `s${n}`, `scheduled ${n}`); // prettier-ignore
  },
  'code: the same as that of others, packed by another zlib': async (sha256, n) => {
    const code = { digest: `again ${n}`, project: 'shop', git_commit: null, git_dirty: null, files: {} };
    for (const artifact of [hash(`packed ${n}`), sha256, sha256])
      await saveBundle(test.database, { ...code, artifact });
  },
};

/** References that are over: what only they point to is garbage. */
const FORMER: Readonly<Record<string, (sha256: string, n: number) => Promise<unknown>>> = {
  nothing: () => Promise.resolve(),
  'a load that another replaced': (sha256, n) => insertLoad(sha256, n, 'replaced'),
  'an earlier content of a file': async (sha256, n) => {
    await insertObject(sha256, `changed ${n}`, "now() - interval '1 year'");
    await insertObject(hash(`newer ${n}`), `changed ${n}`, 'now()');
  },
  'an outcome that is old': async (sha256, n) => {
    await insertStep(`train:old ${n}`, n, {}, { onnx: { sha256 } }, "now() - interval '1 year'");
    await insertStep(`train:old ${n}`, n + 100_000, {}, {}, 'now()');
  },
  'a run that is old': async (sha256, n) => {
    await insertRun(`old ${n}`, 'succeeded', "now() - interval '1 year'", { rejects: { file: { sha256 } } });
  },
  'code of no run': (sha256, n) => insertBundle(`unused ${n}`, sha256, "now() - interval '1 year'"),
};

describe('a store of hundreds of objects', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));

  it(`loses what nothing refers to and nothing else, however often the collection is killed (seed ${seed})`, async () => {
    const random = randomBy(seed);
    const { store, root, hashes, age } = await oldStore(
      Array.from({ length: OBJECTS }, (_, n) => `object ${seed} ${n}`),
    );
    const referred = new Map<string, string>();
    const garbage: string[] = [];
    const fresh: string[] = [];
    await insertRun('newest', 'succeeded', 'now()');
    const kinds = { ...REFERENCES, ...FORMER };
    for (const [n, sha256] of hashes.entries()) {
      const names = Object.keys(kinds);
      const name = names[Math.floor(random() * names.length)]!;
      await kinds[name]!(sha256, n);
      if (name in REFERENCES) referred.set(sha256, name);
      else if (random() < 0.2) {
        await age(sha256, 0.5);
        fresh.push(sha256);
      } else garbage.push(sha256);
    }

    const tried = await collectGarbage({
      ...options,
      database: test.database,
      store,
      collectionId: 'try',
      dryRun: true,
    });
    expect(tried.deleted.count).toBe(garbage.length);
    expect((await there(store)).size).toBe(OBJECTS);

    for (const failpoint of ['gc.condemned=kill@1', 'gc.condemned=kill@20']) {
      expect(await inOwnProcess(root, 'killed', failpoint)).toBe('SIGKILL');
      const left = new Set([...(await there(store))]);
      expect([...referred].filter(([sha256]) => !left.has(sha256))).toEqual([]);
      expect(fresh.filter((sha256) => !left.has(sha256))).toEqual([]);
    }
    expect(await inOwnProcess(root, 'killed', 'gc.page=kill')).toBe('SIGKILL');
    expect(await inOwnProcess(root, 'another', 'gc.marked=kill')).toBe('SIGKILL');
    const ended = (await inOwnProcess(root, 'killed')) as CollectionResult;
    expect([...(await there(store))].sort()).toEqual([...referred.keys(), ...fresh].sort());
    expect(Object.values(ended.kept).reduce((sum, { count }) => sum + count, 0)).toBe(referred.size + fresh.length);
    expect(ended.kept.recent?.count ?? 0).toBe(fresh.length);

    const again = await collectGarbage({ ...options, database: test.database, store, collectionId: 'again' });
    expect(again.deleted.count).toBe(0);
    const recorded = await test.database.query(`SELECT FROM plumbline.collections WHERE ended_at IS NOT NULL`);
    const marks = await test.database.query(`SELECT FROM plumbline.marks WHERE collection_id IN ('killed', 'again')`);
    expect([recorded.length, marks.length]).toEqual([2, 0]);
  }, 60_000);

  it('has no column with hashes that the marks leave out', async () => {
    const columns = await test.database.query<{ name: string }>(
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
       WHERE table_schema = 'plumbline' AND column_name ~ 'sha256|artifact|onnx$' ORDER BY 1`,
    );
    expect(columns.map(({ name }) => name)).toEqual([
      'batch_objects.list_sha256',
      'batch_objects.sha256',
      'bundles.artifact',
      'bundles.other_artifacts',
      'inventory.sha256',
      'load_pieces.sha256', // of bytes that were never an object
      'loads.sha256',
      'marks.sha256',
      'model_versions.onnx',
      'model_versions.training_set_sha256',
      'raw_objects.sha256',
      'raw_pages.sha256',
      'redactions.sha256',
      'reject_retries.file_sha256',
    ]);
  });
});

describe('what runs meanwhile', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3();
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint);
    vi.stubEnv('AWS_ACCESS_KEY_ID', server.credentials.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.credentials.secretAccessKey);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server?.close();
  });
  const bucketStore = (name: string): SharedStore =>
    openS3Store({ bucket: BUCKET, key: name, cacheDir: join(folder, `cache-${name}`), cacheBytes: 1e9, freshMs: 0 });

  it.each(['directory', 'bucket'])('what a run is told to be there stays there: %s', async (kind) => {
    const seed = Math.floor(Math.random() * 1e9);
    const random = randomBy(seed);
    const contents = Array.from({ length: 40 }, (_, n) => `shared ${kind} ${n}`);
    const stores =
      kind === 'directory'
        ? (await oldStore(contents)).store
        : await (async () => {
            const store = bucketStore('busy');
            for (const content of contents) await store.put(Buffer.from(content));
            return store;
          })();
    const store = stores;
    // Times of a bucket are whole seconds: what is old is told apart by waiting for the next.
    if (kind === 'bucket') await new Promise((resolve) => setTimeout(resolve, 1_100));
    const usedBefore = kind === 'bucket' ? Math.floor(Date.now() / 1000) * 1000 : Date.now() - DAY_MS;
    const objects = [];
    for await (const object of store.list()) objects.push(object);
    const promised = new Set<string>();
    const user = async (): Promise<void> => {
      for (let round = 0; round < 10; round++) {
        const content = contents[Math.floor(random() * contents.length)]!;
        if (random() < 0.5) promised.add((await store.put(Buffer.from(content))).sha256);
        else if (await store.has(hash(content))) promised.add(hash(content));
      }
    };
    const sweeps = [store.sweep(objects, usedBefore), store.sweep([...objects].reverse(), usedBefore)];
    await Promise.all([...sweeps, user(), user()]);
    // Two that meet may both leave an object to the other.
    await store.sweep(objects, usedBefore);
    const left = await there(store);
    expect(
      [...promised].filter((sha256) => !left.has(sha256)),
      `seed ${seed}`,
    ).toEqual([]);
    expect(left.size).toBe(promised.size);
  });

  it('a bucket loses what nothing refers to, and uploads that were never finished', async () => {
    const store = bucketStore('plain');
    await store.put(Buffer.from('garbage'));
    const kept = await store.put(Buffer.from('kept'));
    await insertLoad(kept.sha256, 999_999, 'published');
    await store.put(Buffer.from('in use'));
    const result = await collectGarbage({
      ...options,
      // Everything but what is used from now on is older than a negative grace.
      retention: { graceMs: -5_000 },
      database: test.database,
      store,
      collectionId: 'bucket',
    });
    expect(result).toMatchObject({
      looked: { count: 3 },
      kept: { load: { count: 1 } },
      deleted: { count: 2, bytes: 13 },
    });
    expect([...(await there(store))]).toEqual([kept.sha256]);
    const begun = await fetchUpload(server, 'plain/sha256/aa/never-finished');
    expect(await store.sweepUnfinished(Date.now() - DAY_MS)).toEqual({ count: 0, bytes: 0 });
    expect(await store.sweepUnfinished(Date.now() + DAY_MS)).toEqual({ count: 1, bytes: begun });
  });

  it('a run in progress keeps what it used, however long ago; one that is over does not', async () => {
    const { store, hashes } = await oldStore(['of the run']);
    await execute(`INSERT INTO plumbline.leases (env, project, scope, holder, token, expires_at) VALUES ('dev', 'busy', 'write', 'long', 1, now() + interval '1 minute')`); // prettier-ignore
    await insertRun('long', 'running', "now() - interval '40 days'");
    const collect = (collectionId: string) =>
      collectGarbage({ ...options, database: test.database, store, collectionId });
    expect(await collect('during')).toMatchObject({ kept: { recent: { count: 1 } }, deleted: { count: 0 } });
    await execute(`UPDATE plumbline.runs SET status = 'succeeded', ended_at = now() WHERE run_id = 'long'`);
    expect(await collect('after')).toMatchObject({ deleted: { count: 1 } });
    expect(await store.has(hashes[0]!)).toBe(false);
  });

  it('a store that another database uses too is left alone', async () => {
    const { store } = await oldStore(['theirs']);
    await store.addUser('5c1f0c5e-0000-4000-8000-000000000001');
    const collection = collectGarbage({ ...options, database: test.database, store, collectionId: 'shared' });
    await expect(collection).rejects.toMatchObject({ code: 'GC_STORE_SHARED', terminal: true });
    expect((await there(store)).size).toBe(1);
  });
});

/** The result, or the signal that ended it. */
async function inOwnProcess(
  root: string,
  collectionId: string,
  failpoint?: string,
): Promise<CollectionResult | string> {
  const settings = { ...options, url: test.url, folder: root, collectionId };
  const child = spawn(process.execPath, ['--import', LOADER, COLLECT, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(failpoint === undefined ? {} : { PLUMBLINE_FAILPOINTS: failpoint }) },
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  return signal ?? (JSON.parse(text) as CollectionResult);
}

/** Begins an upload in parts and leaves it with one; gives its bytes. */
async function fetchUpload(of: S3Server, key: string): Promise<number> {
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint, credentials } = of;
  const client = new sdk.S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  const target = { Bucket: BUCKET, Key: key };
  const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand(target));
  await client.send(new sdk.UploadPartCommand({ ...target, UploadId, PartNumber: 1, Body: 'part' }));
  client.destroy();
  return 4;
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const execute = (sql: string, ...parameters: unknown[]): Promise<number> => test.database.execute(sql, parameters);

const insertModel = (
  n: number,
  {
    onnx = hash(`onnx ${n}`),
    set = hash(`no set ${n}`),
    bundle = 'none',
  }: { onnx?: string; set?: string; bundle?: string },
): Promise<number> =>
  execute(
    `INSERT INTO plumbline.model_versions (env, project, model, version, digest, onnx, onnx_bytes, signature, task, metrics, baselines, gates, parity,
       training_set, training_set_sha256, parameters, seed, assumptions, model_card, run_id, bundle)
     VALUES ('dev', 'shop', 'm', $1::integer, $1::integer::text, $2, 1, '{}', 'regression', '{}', '[]', '[]', '{}', '{}', $3, '{}', 1, '[]', '', 'its own', $4)`,
    n + 1,
    onnx,
    set,
    bundle,
  );
const insertBundle = (digest: string, artifact: string, usedAt = "now() - interval '1 year'"): Promise<number> =>
  execute(`INSERT INTO plumbline.bundles (digest, artifact, project, files, used_at) VALUES ($1, $2, 'shop', '{}', ${usedAt})`, digest, artifact); // prettier-ignore
const insertStep = (step: string, n: number, inputs: object, result: object, at = "now() - interval '1 year'"): Promise<number> =>
  execute(
    `INSERT INTO plumbline.step_results (env, project, step, fingerprint, inputs, result, run_id, created_at) VALUES ('dev', 'shop', $1, $2, $3, $4, 'gone', ${at})`,
    step,
    String(n),
    JSON.stringify(inputs),
    JSON.stringify(result),
  ); // prettier-ignore
const insertLoad = (sha256: string, n: number, status: string): Promise<number> =>
  execute(
    `INSERT INTO plumbline.loads (env, project, resource, unit, generation, path, sha256, settings, status, stage_schema, run_id, started_at)
     VALUES ('dev', 'shop', 'rides', $1::text, 1, $1::text, $2, 's', $3, 'x', 'gone', now() - interval '1 year')`,
    `unit ${n}`,
    sha256,
    status,
  );
const insertObject = (sha256: string, path: string, seenAt: string): Promise<number> =>
  execute(
    `INSERT INTO plumbline.raw_objects (env, project, source, resource, path, sha256, bytes, mtime_ms, fetched_at, seen_at, run_id)
     VALUES ('dev', 'shop', 'rides', 'rides', $1, $2, 1, 1, ${seenAt}, ${seenAt}, 'gone')`,
    path,
    sha256,
  );
const insertRun = (runId: string, status: string, at: string, runOptions: object = {}): Promise<number> =>
  execute(
    `INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, options, status, started_by, started_at, ended_at)
     VALUES ($1, 'dev', 'shop', 'w', '{}', 'b', $2, $3, 'me', ${at}, ${status === 'running' ? 'NULL' : at})`,
    runId,
    JSON.stringify(runOptions),
    status,
  );
