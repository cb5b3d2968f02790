import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listDecisions, readDecision, recordDecision } from '../../src/deployment/decisions.js';
import { readPointerHistory } from '../../src/deployment/pointer-history.js';
import { promote } from '../../src/deployment/promote.js';
import { listVersions, readChampion, readPointer, readVersion } from '../../src/deployment/read-versions.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import { rollback } from '../../src/deployment/rollback.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { newVersion } from './new-version.js';

let test: TestDatabase;
beforeAll(async () => (test = await createTestDatabase()));
afterAll(() => test.drop());

/** A model of its own for each test, with `count` registered versions. */
async function modelWith(model: string, count: number): Promise<{ env: string; project: string; model: string }> {
  for (let seed = 1; seed <= count; seed++)
    await registerVersion({ database: test.database, version: newVersion({ model, seed, runId: `run-${seed}` }) });
  return { env: 'dev', project: 'bikes', model };
}
const ann = { who: 'ann', reason: 'looks right' };

describe('registerVersion', () => {
  it('numbers versions from 1 and registers the same content once', async () => {
    const { database } = test;
    const first = await registerVersion({ database, version: newVersion({ model: 'once' }) });
    const retry = await registerVersion({ database, version: newVersion({ model: 'once', runId: 'run-2' }) });
    const other = await registerVersion({ database, version: newVersion({ model: 'once', seed: 8 }) });
    expect(first).toEqual({ version: 1, digest: first.digest, created: true });
    expect(retry).toEqual({ version: 1, digest: first.digest, created: false });
    expect(other).toMatchObject({ version: 2, created: true });
  });

  it('keeps what each run found and shows the newest, when the same content is judged again', async () => {
    const { database } = test;
    const judged = (runId: string, passed: boolean) =>
      registerVersion({
        database,
        version: newVersion({
          model: 'judged',
          runId,
          baselines: [{ name: runId }],
          gates: [{ gate: 'rmse better than champion', passed }],
          modelCard: `# judged\n\n${passed ? 'passed' : 'failed'}`,
        }),
      });
    await judged('run-1', false);
    await judged('run-2', false);
    expect(await judged('run-2', true)).toMatchObject({ version: 1, created: false });
    expect(await readVersion(database, { env: 'dev', project: 'bikes', model: 'judged' }, 1)).toMatchObject({
      runId: 'run-1',
      baselines: [{ name: 'run-2' }],
      gates: [{ passed: true }],
      modelCard: '# judged v1\n\npassed',
    });
    const rows = await database.query(
      `SELECT version, run_id, gates, model_card FROM plumbline.judgements WHERE model = 'judged' ORDER BY at`,
    );
    expect(rows).toMatchObject([
      { version: 1, run_id: 'run-1', gates: [{ passed: false }] },
      { version: 1, run_id: 'run-2', gates: [{ passed: true }], model_card: '# judged\n\npassed' },
    ]);
  });

  it('gives different numbers to versions registered at the same moment', async () => {
    const registered = await Promise.all(
      Array.from({ length: 8 }, (_, seed) =>
        registerVersion({ database: test.database, version: newVersion({ model: 'race', seed: seed % 4 }) }),
      ),
    );
    expect(new Set(registered.map(({ version }) => version))).toEqual(new Set([1, 2, 3, 4]));
    expect(registered.filter(({ created }) => created)).toHaveLength(4);
  });

  it('reads back everything that was written', async () => {
    const version = newVersion({ model: 'whole', modelCard: '# whole\n\n# not the title\n' });
    await registerVersion({ database: test.database, version });
    const read = await readVersion(test.database, version, 1);
    expect(read).toMatchObject({ ...version, modelCard: '# whole v1\n\n# not the title\n' });
    expect(await listVersions(test.database, { env: 'dev', project: 'bikes', model: 'whole' })).toEqual([
      { ...read, serving: false },
    ]);
  });

  it('names the registered versions when one is asked for that is not there', async () => {
    const key = await modelWith('few', 1);
    await expect(readVersion(test.database, key, 9)).rejects.toMatchObject({
      code: 'DEPLOY_MODEL_UNKNOWN',
      message: expect.stringContaining('few v1') as string,
    });
  });
});

describe('promote', () => {
  it('moves the pointer with its decision and history', async () => {
    const { database } = test;
    const key = await modelWith('promoted', 2);
    expect(await readPointer(database, key)).toBeUndefined();
    expect(await promote({ database, ...key, version: 1, expectedEpoch: 0, ...ann, runId: 'run-1' })).toEqual({
      kind: 'promoted',
      version: 1,
      epoch: 1,
      changed: true,
    });
    expect(await promote({ database, ...key, version: 2, expectedEpoch: 1, ...ann, runId: 'run-2' })).toEqual({
      kind: 'promoted',
      version: 2,
      epoch: 2,
      changed: true,
      previousVersion: 1,
    });
    expect((await readChampion(database, key))?.version).toBe(2);
    expect(await readPointerHistory(database, key)).toMatchObject([
      { epoch: 2, version: 2, previousVersion: 1, kind: 'promote', who: 'ann', runId: 'run-2' },
      { epoch: 1, version: 1, kind: 'promote', reason: 'looks right', runId: 'run-1' },
    ]);
    expect(await listDecisions(database, key)).toMatchObject([
      { kind: 'promote', version: 2 },
      { kind: 'promote', version: 1 },
    ]);
  });

  it('changes nothing when a run promotes the same version again', async () => {
    const { database } = test;
    const key = await modelWith('again', 1);
    const order = { database, ...key, version: 1, expectedEpoch: 0, ...ann, runId: 'run-1' };
    await promote(order);
    expect(await promote(order)).toEqual({ kind: 'promoted', version: 1, epoch: 1, changed: false });
    expect(await readPointerHistory(database, key)).toHaveLength(1);
  });

  it('ends as superseded when the pointer moved since the epoch it saw', async () => {
    const { database } = test;
    const key = await modelWith('superseded', 3);
    await promote({ database, ...key, version: 1, expectedEpoch: 0, ...ann, runId: 'run-1' });
    await promote({ database, ...key, version: 2, expectedEpoch: 1, ...ann, runId: 'run-2' });
    expect(await promote({ database, ...key, version: 3, expectedEpoch: 1, ...ann, runId: 'run-3' })).toEqual({
      kind: 'superseded',
      version: 2,
      epoch: 2,
    });
    expect(await readPointer(database, key)).toEqual({ version: 2, epoch: 2 });
  });

  it('lets exactly one of many concurrent rollouts of the same epoch win', async () => {
    const { database } = test;
    const key = await modelWith('contended', 6);
    const results = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((version) =>
        promote({ database, ...key, version, expectedEpoch: 0, ...ann, runId: `run-${version}` }),
      ),
    );
    expect(results.filter(({ kind }) => kind === 'promoted')).toHaveLength(1);
    expect(await readPointerHistory(database, key)).toHaveLength(1);
    const winner = results.find(({ kind }) => kind === 'promoted')!.version;
    const next = await Promise.all(
      [1, 2, 3, 4, 5, 6]
        .filter((version) => version !== winner)
        .map((version) => promote({ database, ...key, version, expectedEpoch: 1, ...ann, runId: `again-${version}` })),
    );
    expect(next.filter(({ kind }) => kind === 'promoted')).toHaveLength(1);
    expect(await readPointerHistory(database, key)).toHaveLength(2);
  });

  it('does not undo a rollback when the promoting run tries again', async () => {
    const { database } = test;
    const key = await modelWith('undone', 2);
    await promote({ database, ...key, version: 1, ...ann, runId: 'run-1' });
    const order = { database, ...key, version: 2, ...ann, runId: 'run-2' };
    await promote(order);
    await rollback({ database, ...key, who: 'bob', reason: 'errors' });
    expect(await promote(order)).toEqual({ kind: 'superseded', version: 1, epoch: 3 });
    expect(await readPointer(database, key)).toEqual({ version: 1, epoch: 3 });
  });
});

describe('rollback', () => {
  it('goes one step further back each time', async () => {
    const { database } = test;
    const key = await modelWith('back', 3);
    for (const version of [1, 2, 3]) await promote({ database, ...key, version, ...ann, runId: `run-${version}` });
    const bob = { who: 'bob', reason: 'errors' };
    expect(await rollback({ database, ...key, ...bob })).toEqual({
      version: 2,
      epoch: 4,
      previousVersion: 3,
      changed: true,
    });
    expect(await rollback({ database, ...key, ...bob })).toMatchObject({ version: 1, epoch: 5 });
    await expect(rollback({ database, ...key, ...bob })).rejects.toMatchObject({ code: 'DEPLOY_NO_ROLLBACK' });
    expect(await rollback({ database, ...key, to: 3, ...bob })).toMatchObject({ version: 3, epoch: 6 });
    expect(await rollback({ database, ...key, to: 3, ...bob })).toMatchObject({ version: 3, epoch: 6, changed: false });
    expect((await listDecisions(database, key))[0]).toMatchObject({ kind: 'rollback', version: 3, who: 'bob' });
  });

  it('says that nothing serves, or that the model is unknown', async () => {
    const { database } = test;
    const key = await modelWith('idle', 1);
    await expect(rollback({ database, ...key, ...ann })).rejects.toMatchObject({ code: 'DEPLOY_NO_ROLLBACK' });
    await expect(rollback({ database, ...key, model: 'nobody', ...ann })).rejects.toMatchObject({
      code: 'DEPLOY_MODEL_UNKNOWN',
    });
  });
});

describe('decisions', () => {
  it('reads the newest approval or rejection and keeps the earlier ones', async () => {
    const { database } = test;
    const key = await modelWith('decided', 1);
    expect(await readDecision({ database, key, version: 1 })).toBeUndefined();
    const approved = await recordDecision({ database, decision: { ...key, version: 1, kind: 'approve', ...ann } });
    expect(await readDecision({ database, key, version: 1 })).toEqual(approved);
    await recordDecision({ database, decision: { ...key, version: 1, kind: 'reject', who: 'bob', reason: 'drift' } });
    expect(await readDecision({ database, key, version: 1 })).toMatchObject({ kind: 'reject', who: 'bob' });
    expect(await listDecisions(database, key)).toHaveLength(2);
  });

  it('writes a decision with the same id once', async () => {
    const { database } = test;
    const key = await modelWith('retried', 1);
    const decision = { ...key, version: 1, kind: 'approve', ...ann, id: 'run-1/approval' } as const;
    const first = await recordDecision({ database, decision });
    expect(await recordDecision({ database, decision })).toEqual(first);
    expect(await listDecisions(database, key)).toHaveLength(1);
  });

  it('refuses an approval of another content than the registered one', async () => {
    const { database } = test;
    const key = await modelWith('changed', 1);
    await expect(
      recordDecision({ database, decision: { ...key, version: 1, kind: 'approve', ...ann, digest: 'f'.repeat(64) } }),
    ).rejects.toMatchObject({ code: 'DEPLOY_DIGEST_CHANGED' });
  });
});
