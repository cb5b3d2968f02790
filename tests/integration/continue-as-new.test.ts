import { CancelledFailure, Context } from '@temporalio/activity';
import { ApplicationFailure, Client, Connection, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { createActivities } from '../../src/activities/index.js';
import type { DeploymentInput } from '../../src/contracts/deployment.js';
import type {
  BackfillInput,
  BackfillProgress,
  LandAheadInput,
  MissingIntervalsInput,
  ScheduledRunInput,
} from '../../src/contracts/intervals.js';
import { BACKFILL_MESSAGES, DECISION_SIGNAL, STOP_SIGNAL } from '../../src/contracts/queues.js';
import type { RunInterval, RunRef } from '../../src/contracts/run.js';
import { bundleWorkflows } from '../setup/bundle-workflows.js';
import { startTestTemporal, type TestTemporal } from '../setup/temporal.js';

type Activities = ReturnType<typeof createActivities>;

// An interval takes about ten events: a workflow of this length is continued every few of them.
const LONG_HISTORY_EVENTS = 30;
const DAYS = 9;
/** Of the queue that runs need: fewer than the intervals that are landed at once. */
const SLOTS = 3;
const BROKEN = ['2024-01-03', '2024-01-08'];
let broken = BROKEN;

let temporal: TestTemporal;
let client: Client;
let running: Promise<unknown>;
let close: () => Promise<void>;

/** Days whose runs were opened, in that order, by project. */
const opened = new Map<string, string[]>();
const begun: string[] = [];
/** Of every landing and every run, in their order: `land 2024-01-01`, `cancel …`, `run …`. */
let log: string[] = [];
/** Ids of landed intervals, and of the runs that were opened, by day. */
let landedBy = new Map<string, string[]>();
let openedBy = new Map<string, string>();
let landing: (day: string) => Promise<void> = async () => {};
/** Intervals at work: being landed, landed and not run, running. */
const atWork = new Set<string>();
let mostAtWork = 0;
/** Intervals that failed in an earlier start, in turn. */
let failedBefore: readonly RunInterval[] = [];
let asked = 0;
let decision: 'approve' | null = null;
const promoted: unknown[] = [];
/** Holds a run open until it is told to go on. */
let gate: { readonly day: string; readonly passed: Promise<void>; readonly reached: () => void } | undefined;

const day = (index: number): string => new Date(Date.UTC(2024, 0, index + 1)).toISOString();
const intervals: readonly RunInterval[] = Array.from({ length: DAYS }, (_, index) => ({ start: day(index), end: day(index + 1), timezone: 'UTC' })); // prettier-ignore

const activities = {
  findMissingIntervals: async ({ after, from = '', until, failedApart }: MissingIntervalsInput) => {
    const apart = failedApart === true ? failedBefore : [];
    const left = intervals.filter((one) => one.start >= (after ?? from) && one.start < until && !apart.includes(one));
    // As the real one, which gives the first of them only.
    return { intervals: left.slice(0, 5), total: left.length, failed: apart };
  },
  landAhead: async ({ run }: LandAheadInput) => {
    const start = run.interval!.start.slice(0, 10);
    log.push(`land ${start}`);
    landedBy.set(start, [...(landedBy.get(start) ?? []), run.runId]);
    mostAtWork = Math.max(mostAtWork, atWork.add(start).size);
    const beat = setInterval(() => Context.current().heartbeat(), 100);
    try {
      await Promise.race([landing(start), Context.current().cancelled]);
    } catch (error) {
      if (error instanceof CancelledFailure) log.push(`cancel ${start}`);
      throw error;
    } finally {
      clearInterval(beat);
    }
    return { resources: [] };
  },
  openRun: async ({ run }: { readonly run: RunRef }) => {
    const start = run.interval?.start.slice(0, 10) ?? 'scheduled';
    log.push(`run ${start}`);
    openedBy.set(start, run.runId);
    mostAtWork = Math.max(mostAtWork, atWork.add(start).size);
    opened.set(run.project, [...(opened.get(run.project) ?? []), start]);
    if (gate?.day === start) {
      gate.reached();
      await gate.passed;
    }
    if (broken.includes(start)) throw ApplicationFailure.nonRetryable(`no data for ${start}`);
    return { resources: [], transforms: [], deploy: { model: 'm', approval: 'none', approvalTimeoutMs: 1 } };
  },
  closeRun: async ({ run }: { readonly run: RunRef }) => void atWork.delete(run.interval?.start.slice(0, 10) ?? ''),
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
    bundleWorkflows(),
  ]);
  temporal = server;
  const [connection, native] = await Promise.all([
    Connection.connect({ address: temporal.address }),
    NativeConnection.connect({ address: temporal.address }),
  ]);
  client = new Client({ connection });
  // A cancellation comes with the answer to a heartbeat.
  const common = { connection: native, activities, maxHeartbeatThrottleInterval: '200ms' } as const;
  const workers = [
    await Worker.create({
      ...common,
      taskQueue: 'plumbline-default',
      workflowBundle,
      maxConcurrentActivityTaskExecutions: SLOTS,
    }),
    await Worker.create({ ...common, taskQueue: 'plumbline-ahead' }),
  ];
  running = Promise.all(workers.map((worker) => worker.run()));
  close = async () => {
    for (const worker of workers) worker.shutdown();
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

const backfillOf = (project: string, parallel?: number): BackfillInput => ({
  backfillId: 'b',
  template: template(project),
  stages: ['elt'],
  grid,
  from: day(0),
  until: day(DAYS),
  failedOnly: false,
  startedBy: 'test',
  ...(parallel === undefined ? {} : { parallel }),
});

function reset(): void {
  log = [];
  landedBy = new Map();
  openedBy = new Map();
  [landing, broken, mostAtWork] = [async () => {}, BROKEN, 0];
  atWork.clear();
}

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

it('what failed in an earlier start comes behind what is new, in its turn, and holds nothing up', async () => {
  reset();
  broken = days.slice(0, 3);
  const turn = [2, 0, 3, 1];
  failedBefore = turn.map((index) => intervals[index]!);
  const input: ScheduledRunInput = { schedule: 'nightly', template: template('again'), stages: ['elt'], grid };
  const failure: unknown = await (await start('scheduledRun', 'again', input)).result().catch((error: unknown) => error); // prettier-ignore
  failedBefore = [];
  expect((failure as WorkflowFailedError).cause?.message).toBe(
    `3 of ${DAYS} intervals of schedule nightly failed; the next start tries them again.`,
  );
  expect(opened.get('again')).toEqual([...days.slice(4), ...turn.map((index) => days[index])]);
});

it('a start that is told to stop ends behind its run, and one that waits for another run at once', async () => {
  reset();
  let pass = (): void => {};
  const held = new Promise<void>((reached) => {
    gate = { day: days[1]!, reached, passed: new Promise((resolve) => (pass = resolve)) };
  });
  const input: ScheduledRunInput = { schedule: 'nightly', template: template('stopped'), stages: ['elt'], grid };
  const at = await start('scheduledRun', 'stopped', input);
  await held;
  const waiting = await start('scheduledRun', 'stopped-too', input);
  await eventually(
    async () => (await waiting.fetchHistory()).events!.some((event) => event.timerStartedEventAttributes != null),
    (isWaiting) => isWaiting,
  );
  await Promise.all([at, waiting].map((handle) => client.workflow.getHandle(handle.workflowId).signal(STOP_SIGNAL)));
  expect(await waiting.result()).toEqual({ done: 0 });
  gate = undefined;
  pass();
  expect(await at.result()).toEqual({ done: 2 });
  expect(opened.get('stopped')).toEqual(days.slice(0, 2));
});

it('a backfill that is continued stays paused, and goes on behind the interval it was at', async () => {
  let pass = (): void => {};
  const held = new Promise<void>((reached) => {
    gate = { day: days[5]!, reached, passed: new Promise((resolve) => (pass = resolve)) };
  });
  const handle = await start('backfill', 'past', backfillOf('past'));
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

it('a backfill has so many intervals at work and no more, whatever fails, and each runs once under the id it was landed under', async () => {
  reset();
  // What cannot be landed, and what takes longest, is no reason to stop.
  landing = async (start) => {
    if (start === days[1]) throw ApplicationFailure.nonRetryable('unknown activity');
    if (start === days[4]) await new Promise((resolve) => setTimeout(resolve, 300));
  };
  const handle = await start('backfill', 'parallel', backfillOf('parallel', 3));
  const { firstExecutionRunId } = handle as unknown as { firstExecutionRunId: string };
  const latest = client.workflow.getHandle('parallel');
  expect(await latest.result()).toMatchObject({ state: 'over', done: DAYS - 2, failed: 2, left: 0, ahead: 0 });
  expect(opened.get('parallel')).toEqual(days);
  expect(mostAtWork).toBe(3);
  for (const [start, ids] of landedBy) expect([start, ids]).toEqual([start, [openedBy.get(start)]]);
  // Before it is continued it lands none that would not run any more.
  const { workflows } = await chainOf('parallel', firstExecutionRunId);
  expect(workflows).toBeGreaterThan(1);
  expect(landedBy.size).toBeGreaterThan(3);
});

it('a backfill that is paused lands nothing more, and goes on with what it has; three failures in a row end all of it', async () => {
  reset();
  let begun = (): void => {};
  const underWay = new Promise<void>((resolve) => (begun = resolve));
  let isSlow = true;
  landing = async (start) => {
    if (start !== days[1] || !isSlow) return;
    begun();
    await new Promise(() => {});
  };
  await start('backfill', 'pausing', { ...backfillOf('pausing', 2), until: day(4) });
  const handle = client.workflow.getHandle('pausing');
  await underWay;
  const progress = (): Promise<BackfillProgress> => handle.query<BackfillProgress>(BACKFILL_MESSAGES.progress);
  await eventually(progress, ({ done }) => done === 1);
  await handle.signal(BACKFILL_MESSAGES.pause);
  await eventually(() => log, (lines) => lines.includes(`cancel ${days[1]}`)); // prettier-ignore
  expect(log.filter((line) => line.startsWith('run'))).toEqual([`run ${days[0]}`]);
  isSlow = false;
  await handle.signal(BACKFILL_MESSAGES.resume);
  await eventually(() => [...(opened.get('pausing') ?? [])], (all) => all.includes(days[1]!)); // prettier-ignore
  expect(new Set([...landedBy.get(days[1]!)!, openedBy.get(days[1]!)]).size).toBe(1);
  expect(await handle.result()).toMatchObject({ done: 3, failed: 1 });

  // The last of them does not end by itself.
  reset();
  broken = days.slice(5, 8);
  landing = (start) => (start === days[8] ? new Promise(() => {}) : Promise.resolve());
  const failing = await start('backfill', 'failing', { ...backfillOf('failing', 4), from: days[5]! });
  expect(await failing.result()).toMatchObject({ done: 0, failed: 3, left: 1 });
  expect(opened.get('failing')).toEqual(days.slice(5, 8));
  expect(log.at(-1)).toBe(`cancel ${days[8]}`);
});

it('landings that take long leave the steps of other runs their slots', async () => {
  reset();
  let pass = (): void => {};
  const passed = new Promise<void>((resolve) => (pass = resolve));
  landing = () => passed;
  broken = [];
  const slow = await start('backfill', 'slow', { ...backfillOf('slow', SLOTS + 1), until: day(SLOTS + 1) });
  await eventually(() => landedBy.size, (size) => size >= SLOTS); // prettier-ignore
  const other = await start('scheduledRun', 'other', { schedule: 'nightly', template: template('other'), stages: ['elt'] }); // prettier-ignore
  await other.result();
  expect(log.filter((line) => line.startsWith('run'))).toEqual(['run scheduled']);
  pass();
  expect(await slow.result()).toMatchObject({ done: SLOTS + 1, failed: 0 });
});

it('a start of a schedule that meets a backfill goes before its next run', async () => {
  let pass = (): void => {};
  const held = new Promise<void>((reached) => {
    gate = { day: days[0]!, reached, passed: new Promise((resolve) => (pass = resolve)) };
  });
  reset();
  const backfill = await start('backfill', 'dev/met/backfill/latest', { ...backfillOf('met'), until: day(2) });
  await held;
  const scheduled = await start('scheduledRun', 'met', { schedule: 'nightly', template: template('met'), stages: ['elt'] }); // prettier-ignore
  await eventually(
    async () => (await backfill.fetchHistory()).events!.some((event) => event.workflowExecutionSignaledEventAttributes?.signalName === BACKFILL_MESSAGES.giveWay), // prettier-ignore
    (isAsked) => isAsked,
  );
  pass();
  gate = undefined;
  await Promise.all([scheduled.result(), backfill.result()]);
  expect(opened.get('met')).toEqual([days[0], 'scheduled', days[1]]);
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
