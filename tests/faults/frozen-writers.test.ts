import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor, type TestStack } from '../support/stack.js';
import { contents, expectNoProcess, expectNothingLeft, expectSuccess, startRun, stepsOf } from './checks.js';
import { createFaultsStack } from './project.js';

// In the order in which the runs below meet them; each freezes the worker once.
const POINTS = ['load.mid-copy', 'load.before-commit', 'publish.before-commit', 'swap.before-commit'];

describe('a worker frozen by SIGSTOP', { timeout: 240_000 }, () => {
  let stack: TestStack;
  let log: string;
  let frozen: number;
  let successor: ChildProcess | undefined;
  let undisturbed: Awaited<ReturnType<typeof contents>>;

  beforeAll(async () => {
    stack = await createFaultsStack({ trips: 100_000, parts: { files: 2, rows: 30_000 } });
    log = join(stack.root, 'failpoints.log');
    await stack.plumbline(['up']);
    await expectSuccess(stack, await startRun(stack, ['load']));
    undisturbed = await contents(stack);
    await stack.plumbline(['down']);
    await stack.plumbline(['up'], {
      env: { PLUMBLINE_FAILPOINTS: POINTS.map((name) => `${name}=stop`).join(','), PLUMBLINE_FAILPOINT_LOG: log },
    });
    frozen = await stack.pid('worker');
  }, 240_000);
  afterEach(() => successor?.kill('SIGKILL'));
  afterAll(() => stack.destroy(), 60_000);

  const stateOf = async (pid: number): Promise<string> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  };

  it.each(POINTS)('at %s: another worker finishes the run, and the thawed one changes nothing', async (point) => {
    const runId = await startRun(stack, ['load', '--force']);
    await waitFor(
      `a freeze at ${point}`,
      async () => {
        const reached = (await readFile(log, 'utf8')).split('\n');
        return reached.includes(point) && (await stateOf(frozen)) === 'T' ? true : undefined;
      },
      60_000,
    );
    const frozenAt = Date.now();
    successor = stack.start(['worker']);
    await expectSuccess(stack, runId);
    console.log(
      `frozen at ${point}: the successor had finished the run after ${((Date.now() - frozenAt) / 1_000).toFixed(1)} s`,
    );
    expect(await contents(stack)).toEqual(undisturbed);
    const steps = await stepsOf(stack, runId);

    successor.kill('SIGTERM');
    await new Promise((resolve) => successor!.once('exit', resolve));
    process.kill(frozen, 'SIGCONT');
    // Whatever it was doing, its next statement fails: its connections were ended. It says so and stays at work.
    await waitFor('the thawed worker', async () => {
      const seen = await stack.query(
        `SELECT 1 FROM plumbline.workers WHERE pid = $1 AND seen_at > clock_timestamp() - interval '1 s'`,
        [frozen],
      );
      return seen.length > 0 ? true : undefined;
    });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(await stack.pid('worker')).toBe(frozen);
    expect(await contents(stack)).toEqual(undisturbed);
    expect(await stepsOf(stack, runId)).toEqual(steps);
    await expectNothingLeft(stack);
  });

  it('`down` leaves no process', () => expectNoProcess(stack));
});
