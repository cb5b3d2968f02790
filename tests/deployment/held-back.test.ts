import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDecision, recordDecision } from '../../src/deployment/decisions.js';
import { readHeldBack } from '../../src/deployment/held-back.js';
import { readPointerHistory } from '../../src/deployment/pointer-history.js';
import { promote } from '../../src/deployment/promote.js';
import { readPointer } from '../../src/deployment/read-versions.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import { rollback } from '../../src/deployment/rollback.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { newVersion } from './new-version.js';

let test: TestDatabase;
beforeAll(async () => (test = await createTestDatabase()));
afterAll(() => test.drop());

const ann = { who: 'ann', reason: 'odd numbers' };

async function servingVersions(model: string, count: number): Promise<{ env: string; project: string; model: string }> {
  const key = { env: 'dev', project: 'bikes', model };
  for (let version = 1; version <= count; version++) {
    await registerVersion({
      database: test.database,
      version: newVersion({ model, seed: version, runId: `run-${version}` }),
    });
    await promote({ database: test.database, ...key, version, ...ann });
  }
  return key;
}

describe('readHeldBack', () => {
  it('names who rolled a version back, and why, until somebody makes it serve again', async () => {
    const { database } = test;
    const key = await servingVersions('held', 2);
    expect(await readHeldBack(database, key, 2)).toBeUndefined();
    await rollback({ database, ...key, ...ann });
    expect(await readHeldBack(database, key, 2)).toEqual(ann);
    expect(await readHeldBack(database, key, 1)).toBeUndefined();
    await promote({ database, ...key, version: 2, ...ann });
    expect(await readHeldBack(database, key, 2)).toBeUndefined();
  });

  it('lets a version go that a later rollback went back to', async () => {
    const { database } = test;
    const key = await servingVersions('forth', 3);
    await rollback({ database, ...key, to: 1, ...ann });
    await rollback({ database, ...key, to: 3, ...ann });
    expect(await readHeldBack(database, key, 3)).toBeUndefined();
    expect(await readHeldBack(database, key, 1)).toEqual(ann);
  });
});

describe('promote that nobody asked for', () => {
  const automatic = { who: 'plumbline', reason: 'approval: none', automatic: true } as const;

  it('leaves a version back that was rolled back, whatever run comes', async () => {
    const { database } = test;
    const key = await servingVersions('unchanged', 3);
    await rollback({ database, ...key, ...ann });
    for (const runId of ['run-8', 'run-9']) {
      expect(await promote({ database, ...key, version: 3, expectedEpoch: 4, ...automatic, runId })).toEqual({
        kind: 'held_back',
        version: 3,
        epoch: 4,
        by: ann,
      });
    }
    expect(await readPointer(database, key)).toEqual({ version: 2, epoch: 4 });
    expect(await readPointerHistory(database, key)).toHaveLength(4);
  });

  it('finds the version that a rollback went back to serving already', async () => {
    const { database } = test;
    const key = await servingVersions('target', 3);
    await rollback({ database, ...key, to: 2, ...ann });
    await rollback({ database, ...key, to: 3, ...ann });
    expect(await promote({ database, ...key, version: 3, ...automatic })).toMatchObject({
      kind: 'promoted',
      changed: false,
    });
  });

  it('brings back a version that another one replaced without a rollback', async () => {
    const { database } = test;
    const key = await servingVersions('reverted', 2);
    expect(await promote({ database, ...key, version: 1, ...automatic })).toMatchObject({
      kind: 'promoted',
      version: 1,
      changed: true,
    });
  });

  it('brings a version back that somebody promoted since its rollback', async () => {
    const { database } = test;
    const key = await servingVersions('promoted-again', 2);
    await rollback({ database, ...key, ...ann });
    await promote({ database, ...key, version: 2, ...ann });
    await promote({ database, ...key, version: 1, ...ann });
    expect(await promote({ database, ...key, version: 2, ...automatic })).toMatchObject({ kind: 'promoted', epoch: 6 });
  });

  it('brings a version back that somebody approved since its rollback, not one approved before or rejected', async () => {
    const { database } = test;
    const key = await servingVersions('approved-again', 2);
    const decide = (kind: 'approve' | 'reject') =>
      recordDecision({ database, decision: { ...key, version: 2, kind, ...ann } });
    await decide('approve');
    await rollback({ database, ...key, ...ann });
    expect(await promote({ database, ...key, version: 2, ...automatic })).toMatchObject({ kind: 'held_back' });
    await decide('reject');
    expect(await promote({ database, ...key, version: 2, ...automatic })).toMatchObject({ kind: 'held_back' });
    await decide('approve');
    expect(await promote({ database, ...key, version: 2, ...automatic })).toMatchObject({ kind: 'promoted', epoch: 4 });
  });
});

describe('readDecision of a version that served before', () => {
  it('forgets an approval from before another version replaced it', async () => {
    const { database } = test;
    const key = await servingVersions('replaced', 2);
    const decide = (version: number) =>
      recordDecision({ database, decision: { ...key, version, kind: 'approve', ...ann } });
    await decide(1);
    await decide(2);
    await promote({ database, ...key, version: 1, ...ann });
    expect(await readDecision({ database, key, version: 2 })).toBeUndefined();
    expect(await readDecision({ database, key, version: 1 })).toMatchObject({ kind: 'approve', version: 1 });
    await decide(2);
    expect(await readDecision({ database, key, version: 2 })).toMatchObject({ kind: 'approve', version: 2 });
  });

  it('looks at the same model of the same environment only', async () => {
    const { database } = test;
    const key = await servingVersions('mine', 1);
    await recordDecision({ database, decision: { ...key, version: 1, kind: 'approve', ...ann } });
    const other = await servingVersions('theirs', 2);
    await rollback({ database, ...other, ...ann });
    await promote({ database, ...other, version: 2, ...ann });
    expect(await readDecision({ database, key, version: 1 })).toMatchObject({ kind: 'approve' });
  });
});

describe('readDecision after a rollback', () => {
  it('forgets an approval from before it and takes a new one', async () => {
    const { database } = test;
    const key = await servingVersions('approved', 2);
    const approval = { ...key, version: 2, kind: 'approve', ...ann } as const;
    await recordDecision({ database, decision: approval });
    expect(await readDecision({ database, key, version: 2 })).toMatchObject({ kind: 'approve' });
    await rollback({ database, ...key, ...ann });
    expect(await readDecision({ database, key, version: 2 })).toBeUndefined();
    await recordDecision({ database, decision: approval });
    expect(await readDecision({ database, key, version: 2 })).toMatchObject({ kind: 'approve' });
  });
});
