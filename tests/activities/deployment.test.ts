import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeploymentActivities } from '../../src/activities/deployment.js';
import type { PromoteInput } from '../../src/contracts/deployment.js';
import { readPointer } from '../../src/deployment/read-versions.js';
import { promote } from '../../src/deployment/promote.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import { rollback } from '../../src/deployment/rollback.js';
import { newVersion } from '../deployment/new-version.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let test: TestDatabase;
beforeAll(async () => (test = await createTestDatabase()));
afterAll(() => test.drop());

/** A model whose v2 was rolled back; gives what the next run asks for. */
async function rolledBack(model: string, approval: 'none' | 'manual'): Promise<PromoteInput> {
  const { database } = test;
  const key = { env: 'dev', project: 'bikes', model };
  let digest = '';
  for (const version of [1, 2]) {
    ({ digest } = await registerVersion({ database, version: newVersion({ model, seed: version }) }));
    await promote({ database, ...key, version, who: 'plumbline', reason: 'approval: none', runId: `run-${version}` });
  }
  await rollback({ database, ...key, who: 'ann', reason: 'odd numbers' });
  const run = {
    runId: 'run-3',
    env: 'dev',
    project: 'bikes',
    bundle: { digest: 'd', artifact: 'a' },
    root: '/nowhere',
    searchAttributes: [],
    force: false,
  };
  const asked = approval === 'none' ? { who: 'plumbline', reason: 'approval: none' } : { who: 'bob', reason: 'fixed' };
  return { run, model, version: 2, digest, approval, approvalTimeoutMs: 60_000, expectedEpoch: 3, ...asked };
}

async function promoteModel(input: PromoteInput): Promise<unknown> {
  const activities = createDeploymentActivities({ database: test.database });
  return new MockActivityEnvironment().run(() => activities.promoteModel(input));
}

describe('promoteModel', () => {
  it('holds a rolled-back version back without approval, and names the command that brings it back', async () => {
    const input = await rolledBack('demand', 'none');
    expect(await promoteModel(input)).toEqual({
      model: 'demand',
      version: 2,
      status: 'held_back',
      reason: 'rolled back by ann: odd numbers; `plumbline models promote demand 2 --reason …` makes it serve again',
      epoch: 3,
    });
    expect(await readPointer(test.database, { env: 'dev', project: 'bikes', model: 'demand' })).toEqual({
      version: 1,
      epoch: 3,
    });
  });

  it('promotes a rolled-back version that a person approved', async () => {
    expect(await promoteModel(await rolledBack('approved', 'manual'))).toMatchObject({ status: 'promoted', epoch: 4 });
  });
});
