import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom, type TestStack } from '../support/stack.js';
import {
  contents,
  expectNoProcess,
  expectNothingLeft,
  expectOnlyInFlightRepeated,
  expectSuccess,
  startRun,
} from './checks.js';
import { KILLS, killRepeatedly, reportKills, TEST_TIMEOUT_MS, type Kill } from './kills.js';
import { createFaultsStack } from './project.js';

const TRIPS = 300_000;
const PARTS = { files: 6, rows: 60_000 };

describe('a worker killed during a load', { timeout: TEST_TIMEOUT_MS }, () => {
  let stack: TestStack;
  let undisturbed: Awaited<ReturnType<typeof contents>>;
  beforeAll(async () => {
    stack = await createFaultsStack({ trips: TRIPS, parts: PARTS });
    await stack.plumbline(['up']);
    await expectSuccess(stack, await startRun(stack, ['load']));
    undisturbed = await contents(stack);
  }, 180_000);
  afterAll(() => stack.destroy(), 60_000);

  it('an undisturbed load has every row of the files', () => {
    const rows = Object.fromEntries(Object.entries(undisturbed).map(([table, content]) => [table, content.rows]));
    expect(rows).toEqual({
      'bike_demand_dev.demand': 17_379,
      'bike_demand_dev_raw.parts': PARTS.files * PARTS.rows,
      'bike_demand_dev_raw.rides': 17_379,
      'bike_demand_dev_raw.trips': TRIPS,
    });
  });

  it('at random moments: the run completes by itself, with the same tables, repeating only what was in flight', async () => {
    const random = seededRandom('kill the worker during a load');
    const kills: Kill[] = [];
    while (kills.length < KILLS) {
      const runId = await startRun(stack, ['load', '--force']);
      const count = Math.min(10, KILLS - kills.length);
      const during = await killRepeatedly(stack, { runId, part: 'worker', count, random, withinMs: 2_500 });
      kills.push(...during);
      await expectSuccess(stack, runId);
      expect(await contents(stack)).toEqual(undisturbed);
      await expectNothingLeft(stack);
      await expectOnlyInFlightRepeated(stack, runId, during);
    }
    reportKills('worker killed during a load', kills);
    await expectNoProcess(stack);
  });
});
