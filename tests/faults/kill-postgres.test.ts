import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom, type TestStack } from '../support/stack.js';
import { contents, expectNoProcess, expectNothingLeft, expectSuccess, startRun } from './checks.js';
import { KILLS, killRepeatedly, reportKills, TEST_TIMEOUT_MS, type Kill } from './kills.js';
import { createFaultsStack } from './project.js';

describe('PostgreSQL killed during a load', { timeout: TEST_TIMEOUT_MS }, () => {
  let stack: TestStack;
  let undisturbed: Awaited<ReturnType<typeof contents>>;
  beforeAll(async () => {
    stack = await createFaultsStack({ trips: 300_000, parts: { files: 6, rows: 60_000 } });
    await stack.plumbline(['up']);
    await expectSuccess(stack, await startRun(stack, ['load']));
    undisturbed = await contents(stack);
  }, 180_000);
  afterAll(() => stack.destroy(), 60_000);

  it('at random moments, with all its processes: the run completes by itself, with the same tables', async () => {
    const random = seededRandom('kill PostgreSQL during a load');
    const kills: Kill[] = [];
    while (kills.length < KILLS) {
      const runId = await startRun(stack, ['load', '--force']);
      const count = Math.min(10, KILLS - kills.length);
      kills.push(...(await killRepeatedly(stack, { runId, part: 'postgres', count, random, withinMs: 3_000 })));
      await expectSuccess(stack, runId);
      expect(await contents(stack)).toEqual(undisturbed);
      await expectNothingLeft(stack);
    }
    reportKills('PostgreSQL killed during a load', kills);
    await expectNoProcess(stack);
  });
});
