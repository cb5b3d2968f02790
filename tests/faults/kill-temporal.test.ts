import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom, type TestStack } from '../support/stack.js';
import {
  contents,
  expectNoProcess,
  expectNothingLeft,
  expectOneVersionPerModel,
  expectSuccess,
  startRun,
} from './checks.js';
import { KILLS, killRepeatedly, reportKills, TEST_TIMEOUT_MS, type Kill } from './kills.js';
import { createFaultsStack } from './project.js';

describe('the Temporal server killed during a run', { timeout: TEST_TIMEOUT_MS }, () => {
  let stack: TestStack;
  let undisturbed: Awaited<ReturnType<typeof contents>>;
  beforeAll(async () => {
    stack = await createFaultsStack();
    await stack.plumbline(['up']);
    await expectSuccess(stack, await startRun(stack));
    undisturbed = await contents(stack);
  }, 180_000);
  afterAll(() => stack.destroy(), 60_000);

  it('at random moments: the run completes by itself, with the same tables and one model version', async () => {
    const random = seededRandom('kill Temporal during a run');
    const kills: Kill[] = [];
    while (kills.length < KILLS) {
      const runId = await startRun(stack, ['--force']);
      const count = Math.min(10, KILLS - kills.length);
      kills.push(...(await killRepeatedly(stack, { runId, part: 'temporal', count, random, withinMs: 3_000 })));
      await expectSuccess(stack, runId);
      expect(await contents(stack)).toEqual(undisturbed);
      await expectNothingLeft(stack);
      await expectOneVersionPerModel(stack);
    }
    reportKills('Temporal killed during a run', kills);
    await expectNoProcess(stack);
  });
});
