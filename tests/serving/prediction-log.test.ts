import { spawn, type ChildProcess } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TransientError } from '../../src/errors.js';
import type { Database } from '../../src/model/database.js';
import { copiedBytes, copyPredictions, forgetSpool } from '../../src/serving/copy-predictions.js';
import { predictionId } from '../../src/serving/prediction-id.js';
import { isAlive, ownIdentity } from '../../src/serving/process-identity.js';
import { SpoolFolder } from '../../src/serving/spool-folder.js';
import { createServingSite, eventually, type ServingSite } from './start-server.js';

let site: ServingSite;
beforeAll(async () => {
  site = await createServingSite();
  await site.deploy('demand-v1.onnx');
});
// A server left over would adopt what the next test leaves behind.
afterEach(() => site.closeServers());
afterAll(() => site.end());

const row = { temperature: 1, season: 'summer' };
const logged = async () =>
  (await site.test.database.query<{ prediction_id: string }>('SELECT prediction_id FROM plumbline.predictions')).map(
    ({ prediction_id }) => prediction_id,
  );
/** Writes to a spool folder as a process that ended would have left it. */
function orphan(lines: readonly string[], owner: object | undefined): string {
  const folder = join(site.spoolDir, predictionId(Date.now()));
  mkdirSync(folder, { recursive: true });
  const spool = `${predictionId(Date.now())}.ndjson`;
  writeFileSync(join(folder, spool), lines.join(''));
  if (owner !== undefined) writeFileSync(join(folder, 'owner.json'), JSON.stringify(owner));
  return join(folder, spool);
}
function line(id: string, changes: object = {}): string {
  const base = {
    prediction_id: id,
    env: 'dev',
    project: 'bikes',
    model: 'demand',
    version: 1,
    at: '2026-01-01T00:00:00Z',
  };
  return `${JSON.stringify({ ...base, inputs: row, prediction: 115, ...changes })}\n`;
}
const dead = { host: hostname(), pid: 999_999_999, started: 'long ago' };

describe('the spool', () => {
  it('is empty and gone after a server closed', async () => {
    const server = await site.serve();
    const { body } = await site.post(`${server.url}/models/demand/predict`, row);
    expect(readdirSync(site.spoolDir).filter((name) => !name.endsWith('.ndjson'))).toHaveLength(1);
    await server.close();
    expect(readdirSync(site.spoolDir)).toEqual([]);
    expect(await logged()).toContain((body['prediction_ids'] as string[])[0]);
    expect(await site.test.database.query('SELECT * FROM plumbline.spool_offsets')).toEqual([]);
  });

  it('adopts the folders of dead processes, leaves those of living ones, and drops a torn last line', async () => {
    const [first, second, third, mine] = [1, 2, 3, 4].map(() => predictionId(Date.now()));
    orphan([line(first!), line(second!), line(third!).slice(0, 50)], dead);
    orphan([line(third!)], undefined);
    const living = orphan([line(mine!)], ownIdentity());
    const server = await site.serve();
    await eventually(logged, (ids) => [first, second, third].every((id) => ids.includes(id!)));
    expect(await logged()).not.toContain(mine);
    expect(existsSync(living)).toBe(true);
    await server.close();
    rmSync(join(living, '..'), { recursive: true });
    expect(readdirSync(site.spoolDir)).toEqual([]);
  });

  it('goes on at the offset PostgreSQL has, so that a line copied before the kill is not copied again', async () => {
    const [first, second] = [predictionId(Date.now()), predictionId(Date.now())];
    const path = orphan([line(first), line(second)], dead);
    const spool = path.split('/').at(-1)!;
    await site.test.database.execute(`INSERT INTO plumbline.spool_offsets (spool, bytes) VALUES ($1, $2)`, [
      spool,
      Buffer.byteLength(line(first)),
    ]);
    const server = await site.serve();
    const ids = await eventually(logged, (found) => found.includes(second));
    expect(ids).not.toContain(first);
    await server.close();
  });

  it('sets a line aside that PostgreSQL refuses and copies the others', async () => {
    const ids = [1, 2, 3].map(() => predictionId(Date.now()));
    const bad = line(ids[1]!, { version: 'not a number' });
    orphan([line(ids[0]!), bad, line(ids[2]!)], dead);
    const server = await site.serve();
    const found = await eventually(logged, (all) => all.includes(ids[2]!));
    expect(found).toContain(ids[0]);
    expect(found).not.toContain(ids[1]);
    await server.close();
    expect(readFileSync(join(site.spoolDir, 'rejected.ndjson'), 'utf8')).toBe(bad);
    rmSync(join(site.spoolDir, 'rejected.ndjson'));
  });

  it('copies lines of other alphabets and longer than a batch', async () => {
    const [long, short] = [predictionId(Date.now()), predictionId(Date.now())];
    const text = 'ünïcödé 🚲 '.repeat(120_000);
    orphan(
      [
        line(short, { inputs: { season: '夏' } }),
        line(long, { inputs: { season: text } }),
        line(predictionId(Date.now())),
      ],
      dead,
    );
    const server = await site.serve();
    await eventually(logged, (ids) => ids.includes(long));
    const rows = await site.test.database.query<{ season: string }>(
      `SELECT inputs ->> 'season' AS season FROM plumbline.predictions WHERE prediction_id IN ($1, $2) ORDER BY length(inputs ->> 'season')`,
      [long, short],
    );
    expect(rows.map(({ season }) => season)).toEqual(['夏', text]);
    await server.close();
  });

  it('refuses predictions with 503 when it is full, and takes them again after PostgreSQL took it', async () => {
    let away = true;
    const real = site.test.database;
    const database: Database = {
      ...real,
      transaction: (work) =>
        away ? Promise.reject(new TransientError('PG_UNREACHABLE', 'no answer')) : real.transaction(work),
    };
    const server = await site.serve({ database, maxSpoolBytes: 2_000, segmentBytes: 500 });
    const ask = () => site.post(`${server.url}/models/demand/predict`, row);
    const answers = [];
    for (let asked = 0; asked < 30; asked++) answers.push(await ask());
    const accepted = answers.filter(({ status }) => status === 200);
    expect(accepted.length).toBeGreaterThan(0);
    expect(answers.at(-1)).toMatchObject({ status: 503, body: { code: 'SERVE_SPOOL_FULL' } });
    expect((await fetch(`${server.url}/v2/health/ready`)).status).toBe(503);
    away = false;
    expect(await eventually(ask, ({ status }) => status === 200)).toMatchObject({ status: 200 });
    const ids = accepted.flatMap(({ body }) => body['prediction_ids'] as string[]);
    await eventually(logged, (all) => ids.every((id) => all.includes(id)));
  });

  it('leaves what PostgreSQL did not take to the next server', async () => {
    const down: Database = {
      ...site.test.database,
      transaction: () => Promise.reject(new TransientError('PG_UNREACHABLE', 'no answer')),
    };
    const server = await site.serve({ database: down });
    const { body } = await site.post(`${server.url}/models/demand/predict`, row);
    await server.close();
    const next = await site.serve();
    await eventually(logged, (all) => all.includes((body['prediction_ids'] as string[])[0]!));
    await next.close();
    expect(readdirSync(site.spoolDir).filter((name) => !name.endsWith('.ndjson')).length).toBeLessThanOrEqual(1);
  });
});

describe('copyPredictions', () => {
  it('inserts a batch once when two processes copy it at the same moment', async () => {
    const before = (await logged()).length;
    const id = predictionId(Date.now());
    const more = predictionId(Date.now());
    const spool = `${id}.ndjson`;
    const copy = (from: number, to: number, which: string) =>
      site.test.database.transaction((session) =>
        copyPredictions(session, { spool, from, to, lines: `[${line(which).trimEnd()}]` }),
      );
    expect((await Promise.all([copy(0, 10, id), copy(0, 10, predictionId(1))])).sort()).toEqual([false, true]);
    expect((await Promise.all([copy(10, 20, more), copy(10, 20, predictionId(2))])).sort()).toEqual([false, true]);
    expect(await copy(0, 10, predictionId(3))).toBe(false);
    expect(await copiedBytes(site.test.database, spool)).toBe(20);
    expect(await logged()).toHaveLength(before + 2);
    await forgetSpool(site.test.database, spool);
  });
});

describe('spool folders', () => {
  const raise = (error: unknown): void => {
    throw error;
  };
  const folders = (test: (root: string) => void) => {
    const root = mkdtempSync(join(tmpdir(), 'plumbline-spool-'));
    try {
      test(root);
    } finally {
      rmSync(root, { recursive: true });
    }
  };

  it('of another host are adopted only after ten minutes without a sign of life', () => {
    folders((root) => {
      const other = join(root, 'other');
      mkdirSync(other);
      writeFileSync(join(other, 'owner.json'), JSON.stringify({ host: 'elsewhere', pid: 1, started: 'x' }));
      appendFileSync(join(other, `${predictionId(0)}.ndjson`), '{}\n');
      const own = SpoolFolder.create(root);
      expect(own.adopt(Date.now(), raise)).toEqual([]);
      const longAgo = Date.now() / 1000 - 601;
      utimesSync(join(other, 'owner.json'), longAgo, longAgo);
      expect(own.adopt(Date.now(), raise)).toHaveLength(1);
      expect(existsSync(other)).toBe(false);
    });
  });

  it('keep a segment that cannot be moved until it can', () => {
    folders((root) => {
      const other = join(root, 'other');
      mkdirSync(other);
      const [stuck, free] = [`${predictionId(0)}.ndjson`, `${predictionId(0)}.ndjson`];
      for (const file of [stuck, free]) writeFileSync(join(other, file), `${file}\n`);
      const own = SpoolFolder.create(root);
      // A folder of that name in the way: the rename fails for root too.
      mkdirSync(join(own.path, stuck));
      const refused: unknown[] = [];
      expect(own.adopt(Date.now(), (error) => refused.push(error))).toEqual([join(own.path, free)]);
      expect(refused).toMatchObject([{ code: 'EISDIR' }, { code: 'ENOTEMPTY' }]);
      expect(readFileSync(join(other, stuck), 'utf8')).toBe(`${stuck}\n`);

      rmSync(join(own.path, stuck), { recursive: true });
      expect(own.adopt(Date.now(), raise)).toEqual([join(own.path, stuck)]);
      expect(existsSync(other)).toBe(false);
    });
  });

  it('tell a process from a later one with the same id', () => {
    expect(isAlive(ownIdentity())).toBe(true);
    expect(isAlive({ ...ownIdentity(), started: 'an earlier process' })).toBe(false);
    expect(isAlive(dead)).toBe(false);
  });
});

describe('kill -9 of a server under load', { timeout: 120_000 }, () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  const random = mulberry32(seed);

  it.each(['spool', 'fsync'])(`keeps every acknowledged prediction, once (log: %s, seed ${seed})`, async (log) => {
    const acknowledged: string[] = [];
    const before = new Set(await logged());
    const kills = log === 'spool' ? 4 : 2;
    for (let life = 0; life < kills; life++) {
      const { process: server, url } = await startProcess(log);
      let running = true;
      const clients = Array.from({ length: 6 }, async () => {
        while (running) {
          const answered = await site.post(`${url}/models/demand/predict`, { rows: [row, row] }).catch(() => undefined);
          if (answered?.status === 200) acknowledged.push(...(answered.body['prediction_ids'] as string[]));
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 150 + random() * 900));
      server.kill('SIGKILL');
      await new Promise((resolve) => server.once('exit', resolve));
      running = false;
      await Promise.all(clients);
    }
    expect(acknowledged.length).toBeGreaterThan(100);
    // The next process adopts, copies and leaves nothing behind.
    const { process: last } = await startProcess(log);
    const found = await eventually(logged, (ids) => {
      const all = new Set(ids);
      return acknowledged.every((id) => all.has(id));
    });
    last.kill('SIGTERM');
    await new Promise((resolve) => last.once('exit', resolve));
    expect(new Set(found).size).toBe(found.length);
    // Beyond the acknowledged there may be only what was spooled while the kill came: two rows a client and life.
    const fresh = found.filter((id) => !before.has(id));
    expect(fresh.length).toBeLessThanOrEqual(acknowledged.length + kills * 6 * 2);
    expect(readdirSync(site.spoolDir).filter((name) => !name.endsWith('.ndjson'))).toEqual([]);
    expect(await site.test.database.query('SELECT * FROM plumbline.spool_offsets')).toEqual([]);
  });

  it.each([
    'spool.after-write=kill@20',
    'spool-copy.before-commit=kill@2',
    'spool-copy.after-truncate=kill',
    'spool-copy.after-forget=kill',
  ])('at %s loses and repeats nothing', async (failpoints) => {
    const taken = join(site.spoolDir, '..', `${failpoints}.log`);
    const settings = { PLUMBLINE_FAILPOINTS: failpoints, PLUMBLINE_FAILPOINT_LOG: taken };
    const { process: server, url } = await startProcess('spool', settings);
    const ended = new Promise((resolve) => server.once('exit', resolve));
    const acknowledged: string[] = [];
    while (server.signalCode === null && acknowledged.length < 5_000) {
      const answered = await site.post(`${url}/models/demand/predict`, row).catch(() => undefined);
      if (answered?.status === 200) acknowledged.push(...(answered.body['prediction_ids'] as string[]));
    }
    await ended;
    expect(readFileSync(taken, 'utf8').trim()).toBe(failpoints.split('=')[0]);
    const { process: last } = await startProcess('spool');
    const found = await eventually(logged, (ids) => {
      const all = new Set(ids);
      return acknowledged.every((id) => all.has(id));
    });
    expect(new Set(found).size).toBe(found.length);
    last.kill('SIGTERM');
    await new Promise((resolve) => last.once('exit', resolve));
    expect(await site.test.database.query('SELECT * FROM plumbline.spool_offsets')).toEqual([]);
  });

  async function startProcess(log: string, settings = {}): Promise<{ process: ChildProcess; url: string }> {
    const loader = fileURLToPath(new URL('../setup/typescript-loader.mjs', import.meta.url));
    const main = fileURLToPath(new URL('./server-process.ts', import.meta.url));
    const server = spawn(process.execPath, ['--import', loader, main], {
      env: {
        ...process.env,
        DATABASE: site.test.url,
        STORE: site.storeDir,
        SPOOL: site.spoolDir,
        LOG: log,
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    server.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    const url = await new Promise<string>((resolve, reject) => {
      server.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
      server.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${errors}`)));
    });
    return { process: server, url };
  }
});

/** Tommy Ettinger's mulberry32: a seeded generator of numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
