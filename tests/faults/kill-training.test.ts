import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom, type TestStack } from '../support/stack.js';
import {
  expectNoProcess,
  expectNothingLeft,
  expectOneVersionPerModel,
  expectOnlyInFlightRepeated,
  expectSuccess,
  startRun,
} from './checks.js';
import { KILLS, killRepeatedly, reportKills, TEST_TIMEOUT_MS, type Kill } from './kills.js';
import { createFaultsStack } from './project.js';

describe('a worker killed during training', { timeout: TEST_TIMEOUT_MS }, () => {
  let stack: TestStack;
  let undisturbed: unknown;
  beforeAll(async () => {
    stack = await createFaultsStack({
      trainer: 'trainer: { type: gradient_boosting, n_estimators: 1200, learning_rate: 0.02 }',
    });
    await stack.plumbline(['up']);
    await expectSuccess(stack, await startRun(stack));
    undisturbed = await models();
  }, 240_000);
  afterAll(() => stack.destroy(), 60_000);

  /** The graphs by step: equal bytes have equal names in the store. */
  const models = (): Promise<unknown[]> =>
    stack.query(`SELECT DISTINCT ON (step) step, result->'onnx'->>'sha256' AS onnx, result->'predictions'->>'sha256' AS predictions
      FROM plumbline.step_results WHERE step LIKE 'train:%' ORDER BY step, created_at DESC`);

  it('at random moments: it goes on from its checkpoint and gives the same models, byte for byte', async () => {
    const random = seededRandom('kill the worker during training');
    const kills: Kill[] = [];
    const watch = watchCheckpoints(stack);
    while (kills.length < KILLS) {
      const runId = await startRun(stack, ['train', '--force']);
      const count = Math.min(10, KILLS - kills.length);
      const when = ({ inFlight }: { inFlight: readonly string[] }): boolean =>
        inFlight.some((step) => step.startsWith('train:'));
      const during = await killRepeatedly(stack, { runId, part: 'worker', count, random, withinMs: 4_000, when });
      kills.push(...during);
      await expectSuccess(stack, runId);
      expect(await models()).toEqual(undisturbed);
      await expectNothingLeft(stack);
      await expectOnlyInFlightRepeated(stack, runId, during);
      await expectOneVersionPerModel(stack);
    }
    reportKills('worker killed during training', kills);
    const { saves, restarts } = await watch.stop();
    // Each forced run begins anew once for each of its two boosted models; a killed attempt never does.
    expect(saves).toBeGreaterThan(restarts);
    expect(restarts).toBeLessThanOrEqual(2 * watch.runs());
    await expectNoProcess(stack);
  });
});

/** Follows the checkpoints' sizes: one that became smaller belongs to a training that began anew. */
function watchCheckpoints(stack: TestStack): { stop(): Promise<{ saves: number; restarts: number }>; runs(): number } {
  const sizes = new Map<string, number>();
  let saves = 0;
  let restarts = 0;
  let runs = 0;
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      const rows = await stack
        .query<{ key: string; bytes: number }>('SELECT key, octet_length(content) AS bytes FROM plumbline.checkpoints')
        .catch(() => []);
      for (const { key, bytes } of rows) {
        const before = sizes.get(key);
        if (before !== bytes) saves++;
        if (before !== undefined && bytes < before) restarts++;
        sizes.set(key, bytes);
      }
      const [count] = await stack
        .query<{ runs: number }>('SELECT count(*)::int AS runs FROM plumbline.runs')
        .catch(() => []);
      runs = count?.runs ?? runs;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await watching;
      return { saves, restarts };
    },
    runs: () => runs,
  };
}
