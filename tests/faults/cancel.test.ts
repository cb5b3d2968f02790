import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor, type TestStack } from '../support/stack.js';
import { contents, endOf, expectNothingLeft, expectSuccess, startRun } from './checks.js';
import { createFaultsStack } from './project.js';

describe('a run that is stopped', { timeout: 240_000 }, () => {
  let stack: TestStack;
  let undisturbed: Awaited<ReturnType<typeof contents>>;
  beforeAll(async () => {
    stack = await createFaultsStack({
      trips: 300_000,
      // Long enough for the command to come in time on a busy machine.
      slowSeconds: 12,
      trainer: 'trainer: { type: gradient_boosting, n_estimators: 1500, learning_rate: 0.02 }',
    });
    await stack.plumbline(['up']);
    await expectSuccess(stack, await startRun(stack, ['load']));
    await expectSuccess(stack, await startRun(stack, ['features']));
    undisturbed = await contents(stack);
  }, 240_000);
  afterAll(() => stack.destroy(), 60_000);

  const atWork = (runId: string, step: string): Promise<true> =>
    waitFor(
      `${step} of run ${runId}`,
      async () => {
        const rows = await stack.query(
          `SELECT 1 FROM plumbline.run_steps WHERE run_id = $1 AND step ~ $2 AND status = 'running'`,
          [runId, step],
        );
        return rows.length > 0 ? true : undefined;
      },
      60_000,
    );

  it.each([
    ['load', ['load', '--force'], '^load:trips#'],
    ['transform', ['load', '--force'], '^transform:slow'],
    ['training', ['train', '--force'], '^train:gradient_boosting$'],
  ])('`runs cancel` in the middle of a %s leaves no orphan and the old tables', async (_what, args, step) => {
    const runId = await startRun(stack, args);
    await atWork(runId, step);
    const cancelled = await stack.plumbline(['runs', 'cancel', runId]);
    expect(cancelled.code, cancelled.stderr).toBe(0);
    expect(await endOf(stack, runId)).toBe('cancelled');
    expect(await contents(stack)).toEqual(undisturbed);
    await stack.query('DELETE FROM plumbline.checkpoints');
    await expectNothingLeft(stack);
  });

  it('terminated in Temporal in the middle of a load: the next run takes over and completes', async () => {
    const runId = await startRun(stack, ['load', '--force']);
    await atWork(runId, '^load:trips#');
    const { ports } = await stack.state();
    const connection = await Connection.connect({ address: `127.0.0.1:${ports.temporal}` });
    try {
      const [{ workflow_id: workflowId }] = (await stack.query<{ workflow_id: string }>(
        'SELECT workflow_id FROM plumbline.runs WHERE run_id = $1',
        [runId],
      )) as [{ workflow_id: string }];
      await new Client({ connection }).workflow.getHandle(workflowId).terminate('by a test');
    } finally {
      await connection.close();
    }
    const began = Date.now();
    const next = await startRun(stack, ['load', '--force']);
    await expectSuccess(stack, next);
    console.log(`the run after a terminated one ended ${((Date.now() - began) / 1_000).toFixed(1)} s after its start`);
    expect(await contents(stack)).toEqual(undisturbed);
    await expectNothingLeft(stack);
    const [former] = await stack.query<{ status: string }>('SELECT status FROM plumbline.runs WHERE run_id = $1', [
      runId,
    ]);
    expect(former!.status).not.toBe('running');
  });
});
