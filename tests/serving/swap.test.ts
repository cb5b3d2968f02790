import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rollback } from '../../src/deployment/rollback.js';
import { TransientError } from '../../src/errors.js';
import type { Database } from '../../src/model/database.js';
import { fixtureModel, newVersion } from '../deployment/new-version.js';
import { createServingSite, eventually, type ServingSite } from './start-server.js';

let site: ServingSite;
beforeAll(async () => (site = await createServingSite()));
afterAll(() => site.end());

interface Health {
  readonly ready: boolean;
  readonly models: readonly object[];
  readonly database: { readonly reachable: boolean };
}
const row = { temperature: 1, season: 'summer' };
const get = async (url: string) => {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as Health };
};
const objectPath = (sha256: string) => join(site.storeDir, 'sha256', sha256.slice(0, 2), sha256);

describe('a server', () => {
  it('starts and is healthy without a model, and serves it as soon as one is promoted', async () => {
    const { url } = await site.serve({ project: 'later' });
    expect((await get(`${url}/v2/health/live`)).status).toBe(200);
    expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 200, body: { ready: true, models: [] } });
    expect(await site.post(`${url}/models/demand/predict`, row)).toMatchObject({
      status: 404,
      body: { error: 'model "demand" is not served here, expected one of: none' },
    });
    await site.deploy('demand-v1.onnx', { project: 'later' });
    const answered = await eventually(
      () => site.post(`${url}/models/demand/predict`, row),
      ({ status }) => status === 200,
    );
    expect(answered.body).toMatchObject({ version: 1, predictions: [115] });
  });

  it('swaps versions and rolls back without a failed or mixed answer', async () => {
    const project = 'swapped';
    await site.deploy('demand-v1.onnx', { project });
    const { url } = await site.serve({ project });
    let running = true;
    const answers: unknown[] = [];
    const clients = Array.from({ length: 8 }, async () => {
      while (running) {
        const { status, body } = await site.post(`${url}/models/demand/predict`, row);
        answers.push([status, body['version'], (body['predictions'] as number[])[0]]);
      }
    });
    const served = (version: number) => () => answers.some((entry) => (entry as number[])[1] === version);
    await eventually(served(1), Boolean);
    await site.deploy('demand-v2.onnx', { project });
    await eventually(served(2), Boolean);
    const before = answers.length;
    await rollback({ database: site.test.database, env: 'dev', project, model: 'demand', who: 'bob', reason: 'test' });
    await eventually(() => (answers.at(-1) as number[])[1] === 1, Boolean);
    running = false;
    await Promise.all(clients);
    const kinds = new Set(answers.map((entry) => JSON.stringify(entry)));
    expect(kinds).toEqual(new Set(['[200,1,115]', '[200,2,1115]']));
    expect(answers.length).toBeGreaterThan(before);
  });

  it.each([
    ['changed', (bytes: Buffer) => Buffer.from([...bytes.subarray(0, -1), bytes.at(-1)! ^ 1]), 'STORE_HASH_MISMATCH'],
    ['cut off', (bytes: Buffer) => bytes.subarray(0, 200), 'STORE_HASH_MISMATCH'],
    ['gone', () => undefined, 'STORE_OBJECT_MISSING'],
  ] as const)('refuses a model file that was %s, says so, and the old version serves on', async (how, damage, code) => {
    const project = `damaged ${how}`;
    site.logged.length = 0;
    await site.deploy('demand-v1.onnx', { project });
    const { url } = await site.serve({ project });
    const { onnx } = newVersion({ file: 'demand-v2.onnx' });
    await site.store.put(fixtureModel('demand-v2.onnx'));
    const path = objectPath(onnx.sha256);
    const whole = readFileSync(path);
    const damaged = damage(whole);
    rmSync(path);
    if (damaged !== undefined) writeFileSync(path, damaged);
    try {
      const version = newVersion({ file: 'demand-v2.onnx', project });
      await site.deploy('demand-v1.onnx', { project, onnx: version.onnx });
      const health = await eventually(
        () => get(`${url}/v2/health`),
        ({ body }) => body.models.some((model) => 'refused' in model),
      );
      expect(health.body).toMatchObject({
        ready: true,
        models: [{ name: 'demand', ready: true, version: 1, refused: { version: 2, code } }],
      });
      expect((await get(`${url}/v2/health/ready`)).status).toBe(200);
      expect((await site.post(`${url}/models/demand/predict`, row)).body).toMatchObject({ version: 1 });
      const refusals = site.logged.filter(({ msg, err }) => {
        return msg === 'model version refused' && (err as { code?: string }).code === code;
      });
      expect(refusals).toMatchObject([{ model: 'demand', version: 2, serving: 1 }]);
    } finally {
      rmSync(path, { force: true });
      writeFileSync(path, whole);
      chmodSync(path, 0o644);
    }
    // The file is back: the version is tried again and serves.
    await eventually(
      () => site.post(`${url}/models/demand/predict`, row),
      ({ body }) => body['version'] === 2,
    );
  });

  it.each(['treecl.onnx', 'custom-domain.onnx', 'external-data.onnx', 'other-output.onnx'])(
    'refuses %s, a model that is not of its signature or uses foreign parts',
    async (file) => {
      const project = `foreign ${file}`;
      await site.deploy(file, { project });
      const { url } = await site.serve({ project });
      expect(await get(`${url}/v2/health/ready`)).toMatchObject({
        status: 503,
        body: {
          models: [{ ready: false, refused: { version: 1, code: expect.stringMatching(/^DEPLOY_ONNX_/) as string } }],
        },
      });
      expect(await site.post(`${url}/models/demand/predict`, row)).toMatchObject({
        status: 503,
        body: { code: 'SERVE_MODEL_NOT_READY' },
      });
    },
  );

  it('serves the model in memory while PostgreSQL is away, and logs what was asked when it is back', async () => {
    const project = 'away';
    await site.deploy('demand-v1.onnx', { project });
    let away = false;
    const real = site.test.database;
    const lost = () => Promise.reject(new TransientError('PG_CONNECTION_LOST', 'PostgreSQL closed the connection.'));
    const database: Database = {
      query: (text, parameters) => (away ? lost() : real.query(text, parameters)),
      execute: (text, parameters) => (away ? lost() : real.execute(text, parameters)),
      session: (work) => (away ? lost() : real.session(work)),
      transaction: (work) => (away ? lost() : real.transaction(work)),
    };
    const { url } = await site.serve({ project, database });
    away = true;
    await eventually(
      () => get(`${url}/v2/health`),
      ({ body }) => !body.database.reachable,
    );
    for (let asked = 0; asked < 20; asked++) {
      expect(await site.post(`${url}/models/demand/predict`, row)).toMatchObject({ status: 200 });
    }
    expect((await get(`${url}/v2/health/ready`)).status).toBe(200);
    away = false;
    await eventually(
      () => real.query(`SELECT 1 FROM plumbline.predictions WHERE project = $1`, [project]),
      (rows) => rows.length === 20,
    );
  });

  it('starts with PostgreSQL away, is not ready, and becomes so', async () => {
    let away = true;
    const real = site.test.database;
    const database: Database = {
      ...real,
      query: (text, parameters) =>
        away ? Promise.reject(new TransientError('PG_UNREACHABLE', 'no answer')) : real.query(text, parameters),
    };
    const { url } = await site.serve({ project: 'swapped', database });
    expect(await get(`${url}/v2/health/ready`)).toMatchObject({
      status: 503,
      body: { database: { error: 'no answer' } },
    });
    expect((await get(`${url}/v2/health/live`)).status).toBe(200);
    away = false;
    await eventually(
      () => get(`${url}/v2/health/ready`),
      ({ status }) => status === 200,
    );
  });

  it('says which port is taken', async () => {
    const other = createTcpServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    await expect(site.serve({ port })).rejects.toMatchObject({
      code: 'SERVE_PORT_TAKEN',
      message: expect.stringContaining(String(port)) as string,
    });
    await new Promise((resolve) => other.close(resolve));
  });
});

describe('access', () => {
  it.each(['0.0.0.0', '::', '192.168.1.10', 'example.com'])('refuses to listen on %s without keys', async (host) => {
    await expect(site.serve({ host })).rejects.toMatchObject({ code: 'SERVE_HOST_WITHOUT_KEYS' });
  });

  it('asks for a key on every address but health once there are keys', async () => {
    const { url } = await site.serve({
      project: 'swapped',
      host: '0.0.0.0',
      keys: ['first key'.replace(' ', '-'), 'second'],
    });
    const local = url.replace('0.0.0.0', '127.0.0.1');
    const ask = (path: string, authorization?: string) =>
      fetch(local + path, authorization === undefined ? {} : { headers: { authorization } });
    expect((await ask('/v2/health/live')).status).toBe(200);
    for (const wrong of [undefined, 'Bearer', 'Bearer wrong', 'Basic second', 'Bearer second2']) {
      const response = await ask('/models/demand', wrong);
      expect([wrong, response.status]).toEqual([wrong, 401]);
      expect(await response.json()).toMatchObject({ code: 'SERVE_KEY_REQUIRED' });
    }
    expect((await ask('/models/demand', 'Bearer first-key')).status).toBe(200);
    expect((await ask('/models/demand', 'bearer second')).status).toBe(200);
  });
});
