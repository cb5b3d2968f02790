import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { register as registerModels } from '../../src/cli/commands/models.js';
import { register as registerPredict } from '../../src/cli/commands/predict.js';
import { promote } from '../../src/deployment/promote.js';
import { readPointer } from '../../src/deployment/read-versions.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import { createServer, type PredictionServer } from '../../src/serving/create-server.js';
import { beginStep, endStep } from '../../src/storage/run-steps.js';
import { insertRun } from '../../src/storage/runs.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { pino } from 'pino';
import { fixtureModel, newVersion } from './new-version.js';

// The commands ask the folder for the project's name; the example is a project.
const PROJECT = fileURLToPath(new URL('../../examples/bike-demand', import.meta.url));
const key = { env: 'dev', project: 'bike-demand', model: 'demand' };
const home = mkdtempSync(join(tmpdir(), 'plumbline-models-'));
const cwd = process.cwd();
let test: TestDatabase;
let server: PredictionServer;

beforeAll(async () => {
  test = await createTestDatabase();
  const store = openDirectoryStore(join(home, 'store'));
  for (const [index, file] of ['demand-v1.onnx', 'demand-v2.onnx'].entries()) {
    await store.put(fixtureModel(file));
    const version = newVersion({ ...key, file, metrics: { rmse: 94.6 - index }, runId: `run-${index + 1}` });
    await registerVersion({ database: test.database, version });
  }
  await promote({ database: test.database, ...key, version: 1, who: 'ann', reason: 'first' });
  const logger = pino({ level: 'silent' });
  server = await createServer({
    ...key,
    database: test.database,
    store,
    port: 0,
    spoolDir: join(home, 'spool'),
    logger,
    pollMs: 50,
  });
  process.chdir(PROJECT);
  vi.stubEnv('PLUMBLINE_DATABASE_URL', test.url);
  vi.stubEnv('PLUMBLINE_STORE', join(home, 'store'));
  // Nothing listens there: decisions must not need Temporal.
  vi.stubEnv('TEMPORAL_ADDRESS', '127.0.0.1:1');
  vi.stubEnv('PLUMBLINE_SERVING_URL', server.url);
});
afterAll(async () => {
  process.chdir(cwd);
  vi.unstubAllEnvs();
  await server.close();
  await test.drop();
  rmSync(home, { recursive: true });
});

async function plumbline(...words: string[]): Promise<string> {
  let printed = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  try {
    const program = new Command().exitOverride();
    registerModels(program);
    registerPredict(program);
    await program.parseAsync(['node', 'plumbline', ...words]);
  } finally {
    spy.mockRestore();
  }
  return printed;
}
/** A run that registered the version, and whose deployment waits. */
async function offer(runId: string, version: number): Promise<void> {
  const { database } = test;
  const run = { run_id: runId, ...key, workflow_id: 'w', stages: [], bundle: 'b', options: {}, retry_of: null };
  await insertRun(database, { ...run, started_by: 'test' });
  const begun = { runId, scheduledMs: 1, whileRunning: true };
  const attempt = await beginStep(database, { ...begun, step: 'register', stage: 'training' });
  await endStep(database, runId, 'register', attempt!, { status: 'succeeded', result: { model: key.model, version } });
  await beginStep(database, { ...begun, step: 'deploy', stage: 'deployment' });
}

const json = async (...words: string[]) => JSON.parse(await plumbline(...words, '--json')) as unknown;

describe('plumbline models', () => {
  it('lists versions with what serves and their metrics', async () => {
    expect(await plumbline('models', 'list')).toMatch(
      /demand +v2 +rmse 93.6 .*\ndemand +v1 +serving +rmse 94.6 .* run-1\n/,
    );
    expect(await json('models', 'list', 'demand')).toMatchObject([
      { version: 2, serving: false, decision: null },
      { version: 1, serving: true },
    ]);
  });

  it('lists no model of an environment that has none, and names the known ones for one that is not there', async () => {
    writeFileSync(join(home, 'plumbline.yaml'), 'name: bike-demand\nenvironments: { prod: {} }\n');
    process.chdir(home);
    try {
      expect(await plumbline('models', 'list', '--env', 'prod')).toBe(
        'no models in prod yet; make one with `plumbline run`\n',
      );
    } finally {
      process.chdir(PROJECT);
    }
    for (const more of [[], ['--json']])
      await expect(plumbline('models', 'list', 'nosuch', ...more)).rejects.toMatchObject({
        code: 'DEPLOY_MODEL_UNKNOWN',
        message: expect.stringContaining('expected one of: demand v2, demand v1') as string,
      });
  });

  it('shows the serving version when none is named, and compares it with the newest', async () => {
    expect(await plumbline('models', 'show', 'demand')).toMatch(/^demand v1 [^]*\n\n# demand v1\n$/);
    expect(await json('models', 'show', 'demand', 'v2')).toMatchObject({ version: 2, runId: 'run-2' });
    expect(await plumbline('models', 'compare', 'demand')).toMatch(/^ +v1 +v2\nrmse +94.6 +93.6\n/);
  });

  it('decides on nothing without a number unless exactly one version waits', async () => {
    await expect(plumbline('models', 'approve', 'demand')).rejects.toMatchObject({
      code: 'DEPLOY_VERSION_NEEDED',
      message: 'Choosing the version of demand to approve failed: none waits for approval, expected exactly one.',
    });
    await registerVersion({
      database: test.database,
      version: newVersion({ ...key, file: 'demand-v2.onnx', seed: 8, runId: 'run-3' }),
    });
    await offer('run-2', 2);
    await offer('run-3', 3);
    await expect(plumbline('models', 'reject', 'demand')).rejects.toMatchObject({
      code: 'DEPLOY_VERSION_NEEDED',
      message: 'Choosing the version of demand to reject failed: v3, v2 wait for approval, expected exactly one.',
    });
    expect(await plumbline('models', 'show', 'demand')).toMatch(/^demand v3 +waiting for approval\n/);
    await expect(plumbline('models', 'approve', 'nobody')).rejects.toMatchObject({ code: 'DEPLOY_MODEL_UNKNOWN' });
    expect(await json('models', 'history', 'demand')).toMatchObject({ decisions: [{ kind: 'promote' }] });
    await plumbline('models', 'reject', 'demand', '3');
  });

  it('shows the version that waits, which is the one that approve without a number decides on', async () => {
    expect(await plumbline('models', 'list')).toMatch(
      /demand +v3 +rejected .*\ndemand +v2 +waiting for approval .*\ndemand +v1 +serving /,
    );
    const { digest } = (await json('models', 'show', 'demand')) as { digest: string };
    expect(await plumbline('models', 'show', 'demand')).toMatch(/^demand v2 +waiting for approval\n/);
    const printed = await plumbline('models', 'approve', 'demand', '--reason', 'better by one');
    expect(printed).toMatch(new RegExp(`^approved demand v2 \\(${digest.slice(0, 12)}\\) as .+: better by one\n`));
    expect(printed).toContain('Temporal is not reachable: the decision is kept');
    expect(printed).toContain('`plumbline models approve demand 2`');
    await expect(plumbline('models', 'approve', 'demand')).rejects.toMatchObject({ code: 'DEPLOY_VERSION_NEEDED' });
  });

  it('keeps a decision when Temporal is not reachable, and says so', async () => {
    expect(await json('models', 'reject', 'demand', '2')).toMatchObject({
      kind: 'reject',
      version: 2,
      notified: 'temporal_unreachable',
    });
    expect(await json('models', 'list', 'demand')).toMatchObject([
      { version: 3 },
      { version: 2, decision: 'reject', waiting: false },
      { version: 1, serving: true },
    ]);
  });

  it('promotes and rolls back without Temporal, and tells the history', async () => {
    expect(await plumbline('models', 'promote', 'demand', 'v2', '--reason', 'override')).toBe('demand v2 serves now\n');
    expect(await plumbline('models', 'rollback', 'demand', '--reason', 'worse')).toBe(
      'demand v1 serves again, in place of v2\n',
    );
    expect(await readPointer(test.database, key)).toEqual({ version: 1, epoch: 3 });
    expect(await plumbline('models', 'history', 'demand')).toMatch(
      /rollback +v1 .* worse\n.*promote +v2 .* override\n/,
    );
    await expect(plumbline('models', 'rollback', 'demand')).rejects.toMatchObject({ code: 'DEPLOY_NO_ROLLBACK' });
  });

  it('names what is wrong with a model, a version or a missing reason', async () => {
    await expect(plumbline('models', 'show', 'nobody')).rejects.toMatchObject({ code: 'DEPLOY_MODEL_UNKNOWN' });
    await expect(plumbline('models', 'show', 'demand', '9')).rejects.toMatchObject({ code: 'DEPLOY_MODEL_UNKNOWN' });
    await expect(plumbline('models', 'show', 'demand', 'newest')).rejects.toMatchObject({
      code: 'DEPLOY_MODEL_UNKNOWN',
    });
  });
});

describe('plumbline predict', () => {
  it('prints the predictions of one row, and of more rows than one request takes', async () => {
    const one = JSON.parse(
      await plumbline('predict', 'demand', '--json', '{"temperature": 1, "season": "summer"}'),
    ) as unknown;
    expect(one).toMatchObject({ model: 'demand', version: 1, predictions: [115] });
    const rows = Array.from({ length: 450 }, (_, row) => ({
      temperature: row,
      season: row === 300 ? 'new' : 'winter',
    }));
    const many = JSON.parse(await plumbline('predict', 'demand', '--json', JSON.stringify(rows))) as Record<
      string,
      unknown[]
    >;
    expect(many['predictions']).toEqual(rows.map(({ temperature }) => temperature * 10 + 5));
    expect(new Set(many['prediction_ids']).size).toBe(450);
    expect(many['warnings']).toMatchObject([{ row: 300, input: 'season' }]);
  });

  it('passes on what the server says is wrong', async () => {
    await expect(
      plumbline('predict', 'demand', '--json', '{"temperature": "1", "season": "summer"}'),
    ).rejects.toMatchObject({
      code: 'SERVE_INPUT_INVALID',
      message: expect.stringContaining('got the string "1", expected a number') as string,
    });
    await expect(plumbline('predict', 'nobody', '--json', '{}')).rejects.toMatchObject({ code: 'SERVE_MODEL_UNKNOWN' });
    await expect(plumbline('predict', 'demand', '--json', '{')).rejects.toMatchObject({ code: 'SERVE_BODY_INVALID' });
    await expect(plumbline('predict', 'demand', '--json', '{"a": 1, "a": 2}')).rejects.toMatchObject({
      code: 'SERVE_BODY_INVALID',
      message: 'Reading --json failed: it has the key "a" twice in one object, expected it once.',
    });
    await expect(plumbline('predict', 'demand')).rejects.toMatchObject({ code: 'commander.error' });
    await expect(plumbline('predict', 'demand', '--file', '/nowhere.json')).rejects.toMatchObject({
      code: 'SERVE_BODY_INVALID',
    });
  });

  it('says when no server answers', async () => {
    await expect(plumbline('predict', 'demand', '--json', '{}', '--url', 'http://127.0.0.1:1')).rejects.toMatchObject({
      code: 'SERVE_UNREACHABLE',
      terminal: false,
    });
  });
});
