import { fileURLToPath } from 'node:url';
import { ApplicationFailure, Client, Connection, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { createActivities } from '../../src/activities/index.js';
import type { DeploymentInput } from '../../src/contracts/deployment.js';
import type { BackfillInput, MissingIntervalsInput, ScheduledRunInput } from '../../src/contracts/intervals.js';
import { BACKFILL_MESSAGES, DECISION_SIGNAL } from '../../src/contracts/queues.js';
import type { RunInterval, RunRef } from '../../src/contracts/run.js';
import { startTestTemporal, type TestTemporal } from '../setup/temporal.js';

type Activities = ReturnType<typeof createActivities>;

// An interval takes about ten events: a workflow of this length is continued every few of them.
const LONG_HISTORY_EVENTS = 30;
const DAYS = 9;
const BROKEN = ['2024-01-03', '2024-01-08'];

let temporal: TestTemporal;
let client: Client;
let worker: Worker;
let running: Promise<void>;
let close: () => Promise<void>;

/** Days whose runs were opened, in that order, by project. */
const opened = new Map<string, string[]>();
const begun: string[] = [];
let asked = 0;
let decision: 'approve' | null = null;
const promoted: unknown[] = [];
/** Holds a run open until it is told to go on. */
let gate: { readonly day: string; readonly passed: Promise<void>; readonly reached: () => void } | undefined;

const day = (index: number): string => new Date(Date.UTC(2024, 0, index + 1)).toISOString();
const intervals: readonly RunInterval[] = Array.from({ length: DAYS }, (_, index) => ({ start: day(index), end: day(index + 1), timezone: 'UTC' })); // prettier-ignore

const activities = {
  findMissingIntervals: async ({ after }: MissingIntervalsInput) => {
    const left = intervals.filter(({ start }) => after === undefined || start >= after);
    // As the real one, which gives the first of them only.
    return { intervals: left.slice(0, 5), total: left.length };
  },
  openRun: async ({ run }: { readonly run: RunRef }) => {
    const start = run.interval!.start.slice(0, 10);
    opened.set(run.project, [...(opened.get(run.project) ?? []), start]);
    if (gate?.day === start) {
      gate.reached();
      await gate.passed;
    }
    if (BROKEN.includes(start)) throw ApplicationFailure.nonRetryable(`no data for ${start}`);
    return { resources: [], transforms: [], deploy: { model: 'm', approval: 'none', approvalTimeoutMs: 1 } };
  },
  closeRun: async () => {},
  beginDeployment: async ({ model }: DeploymentInput) => (begun.push(model), { epoch: 7 }),
  readDecision: async () => (asked++, { decision, who: 'ann', reason: 'good' }),
  promoteModel: async (input: { readonly model: string; readonly version: number; readonly reason: string }) => {
    promoted.push(input);
    return { model: input.model, version: input.version, status: 'promoted', reason: input.reason, epoch: 8 };
  },
  endDeployment: async ({ result }: { readonly result: unknown }) => result,
} as unknown as Activities;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const [server, workflowBundle] = await Promise.all([
    startTestTemporal({ longHistoryEvents: LONG_HISTORY_EVENTS }),
    bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('../../src/workflows/index.ts', import.meta.url)),
      logger: new DefaultLogger('WARN'),
    }),
  ]);
  temporal = server;
  const [connection, native] = await Promise.all([
    Connection.connect({ address: temporal.address }),
    NativeConnection.connect({ address: temporal.address }),
  ]);
  client = new Client({ connection });
  worker = await Worker.create({ connection: native, activities, taskQueue: 'plumbline-default', workflowBundle });
  running = worker.run();
  close = async () => {
    worker.shutdown();
    await running;
    await connection.close();
    await native.close();
  };
}, 90_000);
afterAll(async () => {
  await close?.();
  await temporal?.stop();
});

const template = (project: string): ScheduledRunInput['template'] => ({
  env: 'dev',
  project,
  bundle: { digest: 'd', artifact: 'a' },
  root: '/nowhere',
  searchAttributes: [],
  force: false,
});
const grid = { length: 'daily', timezone: 'UTC' } as const;
const days = intervals.map(({ start }) => start.slice(0, 10));

const start = (type: string, id: string, input: object): Promise<WorkflowHandle> =>
  client.workflow.start(type, { taskQueue: 'plumbline-default', workflowId: id, args: [input] });

/** Workflows that one was continued as, the last one included, and the longest history among them. */
async function chainOf(workflowId: string, firstRunId: string): Promise<{ workflows: number; longest: number }> {
  let [workflows, longest] = [0, 0];
  for (let runId: string | undefined = firstRunId; runId !== undefined; workflows++) {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    longest = Math.max(longest, events!.length);
    runId = events!.at(-1)!.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  return { workflows, longest };
}

it('a scheduled start that is continued does every interval once, and counts over all of it', async () => {
  const input: ScheduledRunInput = { schedule: 'nightly', template: template('scheduled'), stages: ['elt'], grid };
  const handle = await start('scheduledRun', 'scheduled', input);
  const { firstExecutionRunId } = handle as unknown as { firstExecutionRunId: string };
  const failure: unknown = await handle.result().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  expect((failure as WorkflowFailedError).cause?.message).toBe(
    `2 of ${DAYS} intervals of schedule nightly failed; the next start tries them again.`,
  );
  expect(opened.get('scheduled')).toEqual(days);
  const { workflows, longest } = await chainOf('scheduled', firstExecutionRunId);
  expect(workflows).toBeGreaterThan(2);
  expect(longest).toBeLessThan(4 * LONG_HISTORY_EVENTS);
});

it('a backfill that is continued stays paused, and goes on behind the interval it was at', async () => {
  let pass = (): void => {};
  const held = new Promise<void>((reached) => {
    gate = { day: days[5]!, reached, passed: new Promise((resolve) => (pass = resolve)) };
  });
  const input: BackfillInput = {
    backfillId: 'b',
    template: template('past'),
    stages: ['elt'],
    grid,
    from: days[0]!,
    until: day(DAYS),
    failedOnly: false,
    startedBy: 'test',
  };
  const handle = await start('backfill', 'past', input);
  const { firstExecutionRunId } = handle as unknown as { firstExecutionRunId: string };
  await held;
  // Long enough that it is continued behind this interval, and nothing else is.
  for (let signal = 0; signal < LONG_HISTORY_EVENTS; signal++) await handle.signal(BACKFILL_MESSAGES.pause);
  const before = await chainOf('past', firstExecutionRunId);
  pass();
  const latest = client.workflow.getHandle('past');
  const paused = await eventually(
    async () => ({ chain: await chainOf('past', firstExecutionRunId), progress: await latest.query<{ state: string; done: number; failed: number }>(BACKFILL_MESSAGES.progress) }), // prettier-ignore
    ({ chain, progress }) => chain.workflows > before.workflows && progress.done + progress.failed === 6,
  );
  expect(paused.progress).toMatchObject({ state: 'paused', done: 5, failed: 1 });
  expect(opened.get('past')).toEqual(days.slice(0, 6));
  gate = undefined;
  await latest.signal(BACKFILL_MESSAGES.resume);
  expect(await latest.result()).toMatchObject({ state: 'over', done: DAYS - 2, failed: 2, left: 0 });
  expect(opened.get('past')).toEqual(days);
});

it('a deployment that waits for long keeps its deadline and the epoch that it saw', async () => {
  const input: DeploymentInput = {
    run: { ...template('waiting'), runId: 'r' },
    model: 'm',
    version: 3,
    digest: 'd',
    approval: 'manual',
    approvalTimeoutMs: 3_600_000,
  };
  const handle = await start('deployment', 'waiting', input);
  const { firstExecutionRunId } = handle as unknown as { firstExecutionRunId: string };
  const latest = client.workflow.getHandle('waiting');
  // Each one makes it look, and find no row: a decision that was taken back, or one of another version.
  for (let signal = 0; signal < 6; signal++) {
    const seen = asked;
    await latest.signal(DECISION_SIGNAL);
    await eventually(() => asked, (times) => times > seen); // prettier-ignore
  }
  const { workflows } = await chainOf('waiting', firstExecutionRunId);
  expect(workflows).toBeGreaterThan(1);
  decision = 'approve';
  await latest.signal(DECISION_SIGNAL);
  expect(await latest.result()).toMatchObject({ status: 'promoted' });
  expect(begun).toEqual(['m']);
  expect(promoted).toMatchObject([{ expectedEpoch: 7, version: 3, who: 'ann' }]);
  const { waiting } = promoted[0] as DeploymentInput;
  expect(waiting!.deadline - Date.now()).toBeLessThanOrEqual(input.approvalTimeoutMs);
});

async function eventually<T>(ask: () => Promise<T> | T, check: (value: T) => boolean): Promise<T> {
  let last = await ask();
  for (let attempt = 0; attempt < 300 && !check(last); attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    last = await ask();
  }
  if (!check(last)) throw new Error(`waited in vain; last seen: ${JSON.stringify(last).slice(0, 500)}`);
  return last;
}
