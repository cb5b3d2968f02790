import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor, type TestStack } from '../support/stack.js';
import { contents, expectNoProcess, expectNothingLeft, expectSuccess, startRun, stepsOf } from './checks.js';
import { createFaultsStack } from './project.js';

/**
 * One at a time: a worker that thaws goes on to the next point, and would freeze there again. The last is reached by a
 * run that finds everything loaded; the others by one that loads anew.
 */
const POINTS = [
  'load.mid-copy',
  'load.before-commit',
  'publish.before-commit',
  'replace.before-commit',
  'swap.before-commit',
  'outcome.before-commit',
];

/** The stack's worker anew, in this environment: `up` goes on with the servers, which a killed supervisor leaves running. */
async function replaceWorker(stack: TestStack, env: NodeJS.ProcessEnv): Promise<void> {
  const worker = await stack.pid('worker');
  process.kill((await stack.state()).supervisor!.pid, 'SIGKILL');
  process.kill(worker, 'SIGKILL');
  const { code, stderr } = await stack.plumbline(['up'], { env });
  expect(code, stderr).toBe(0);
}

interface Successor {
  readonly end: (signal: NodeJS.Signals) => Promise<void>;
}

/** Another worker, started again whenever it ends by itself: at its start it gives up soon on a server that is slow. */
function startSuccessor(stack: TestStack): Successor {
  let isWanted = true;
  let worker: ChildProcess;
  const start = (): void => {
    worker = stack.start(['worker']).once('exit', () => isWanted && start());
  };
  start();
  return {
    async end(signal) {
      isWanted = false;
      if (worker.exitCode !== null || worker.signalCode !== null) return;
      const ended = once(worker, 'exit');
      worker.kill(signal);
      await ended;
    },
  };
}

describe('a worker frozen by SIGSTOP', { timeout: 240_000 }, () => {
  let stack: TestStack;
  let successor: Successor | undefined;
  let undisturbed: Awaited<ReturnType<typeof contents>>;

  beforeAll(async () => {
    stack = await createFaultsStack({ trips: 100_000, parts: { files: 2, rows: 30_000 } });
    await stack.plumbline(['up']);
    await expectSuccess(stack, await startRun(stack, ['load']));
    undisturbed = await contents(stack);
  }, 240_000);
  afterEach(() => successor?.end('SIGKILL'));
  afterAll(() => stack.destroy(), 60_000);

  const stateOf = async (pid: number): Promise<string> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  };

  it.each(POINTS)('at %s: another worker finishes the run, and the thawed one changes nothing', async (point) => {
    const log = join(stack.root, `${point}.log`);
    await replaceWorker(stack, { PLUMBLINE_FAILPOINTS: `${point}=stop`, PLUMBLINE_FAILPOINT_LOG: log });
    const frozen = await stack.pid('worker');
    const runId = await startRun(stack, point.startsWith('outcome') ? ['load'] : ['load', '--force']);
    await waitFor(`a freeze at ${point}`, async () => ((await stateOf(frozen)) === 'T' ? true : undefined), 60_000);
    expect(await readFile(log, 'utf8')).toBe(`${point}\n`);
    const frozenAt = Date.now();
    successor = startSuccessor(stack);
    await expectSuccess(stack, runId);
    console.log(
      `frozen at ${point}: the successor had finished the run after ${((Date.now() - frozenAt) / 1_000).toFixed(1)} s`,
    );
    expect(await contents(stack)).toEqual(undisturbed);
    const steps = await stepsOf(stack, runId);

    await successor.end('SIGTERM');
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
    expect(await stateOf(frozen)).not.toBe('T');
    expect(await stack.pid('worker')).toBe(frozen);
    expect(await contents(stack)).toEqual(undisturbed);
    expect(await stepsOf(stack, runId)).toEqual(steps);
    await expectNothingLeft(stack);
  });

  it('`down` leaves no process', () => expectNoProcess(stack));
});
