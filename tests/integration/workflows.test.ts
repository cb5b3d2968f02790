import {
  ApplicationFailure,
  type Client,
  Connection,
  Client as TemporalClient,
  WorkflowFailedError,
  type WorkflowHandle,
} from '@temporalio/client';
import { Context } from '@temporalio/activity';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { createActivities } from '../../src/activities/index.js';
import { SEARCH_ATTRIBUTES, deploymentWorkflowId } from '../../src/contracts/queues.js';
import type { DeploymentResult } from '../../src/contracts/deployment.js';
import type { CloseRunInput, RunPlan, RunRef } from '../../src/contracts/run.js';
import type { TrainingSet } from '../../src/model/training-set.js';
import type { DeploymentInput } from '../../src/contracts/deployment.js';
import { bundleWorkflows } from '../setup/bundle-workflows.js';
import { startTestTemporal, type TestTemporal } from '../setup/temporal.js';

type Activities = ReturnType<typeof createActivities>;

const TRAINING_SET = { trainRows: 80, testRows: 20, features: [], assumptions: [] } as unknown as TrainingSet;

/** Every activity of the real table, doing nothing; a test replaces the ones it is about. */
function fakes(replaced: Partial<Activities> = {}): Activities {
  const artifact = { sha256: 'a'.repeat(64), bytes: 1 };
  const load = {
    resource: 'rides',
    table: 'raw.rides',
    rowsRead: 3,
    rowsLoaded: 3,
    rowsRejected: 0,
    rowsDuplicate: 0,
    tableRows: 3,
    version: 'v',
    objects: [],
  };
  return {
    openRun: async () => PLAN,
    closeRun: async () => {},
    forgetKey: async ({ erasureId, key }) => ({ erasureId, key, dryRun: false, erased: [], left: [] }),
    collectGarbage: async ({ collectionId, dryRun }) => {
      const none = { count: 0, bytes: 0 };
      return {
        collectionId,
        dryRun,
        usedBefore: '',
        expired: {},
        looked: none,
        kept: {},
        deleted: none,
        unfinished: none,
      };
    },
    findMissingIntervals: async () => ({ intervals: [], total: 0 }),
    landAhead: async () => ({ resources: [] }),
    explainPlan: async () => ({ lines: [], defaults: [], assumptions: [] }),
    extractResource: async () => ({ objects: [{}, {}], groups: [1, 1] }),
    loadObject: async () => ({}) as Awaited<ReturnType<Activities['loadObject']>>,
    loadObjects: async () => [{}] as Awaited<ReturnType<Activities['loadObjects']>>,
    publishResource: async ({ resource }) => ({ ...load, resource }),
    retryRejects: async () => load,
    buildTransform: async ({ transform }) => ({ transform, kind: 'table', rows: 3, testsPassed: 1, version: 'v' }),
    buildTrainingSet: async ({ set }) => ({ set, trainingSet: TRAINING_SET, leakCheck: 'leak check passed' }),
    evaluateBaselines: async () => [],
    trainModel: async ({ set, trainer }) => ({
      set,
      trainer,
      metrics: { rmse: 1 },
      trainMetrics: { rmse: 1 },
      onnx: artifact,
      description: artifact,
      predictions: artifact,
      parity: { maxDelta: 0, tolerance: 1e-5, rows: 20 },
    }),
    registerModel: async () => ({ model: 'm', version: 1, digest: 'd', created: true, gates: [] }),
    beginDeployment: async () => ({ epoch: 0 }),
    readDecision: async () => ({ decision: null }),
    promoteModel: async ({ model, version, reason }) => ({ model, version, status: 'promoted', reason, epoch: 1 }),
    endDeployment: async ({ result }) => result,
    ...replaced,
  };
}

const PLAN: RunPlan = {
  resources: ['rides', 'weather'],
  transforms: [
    { name: 'a', after: [] },
    { name: 'b', after: [] },
    { name: 'c', after: ['a', 'b'] },
  ],
  transformReads: { a: ['rides'], b: ['weather'], c: [] },
  train: { sets: ['main', 'variant'], trainer: 'gradient_boosting', comparison: 'linear' },
  deploy: { model: 'm', approval: 'none', approvalTimeoutMs: 60_000 },
};

let temporal: TestTemporal;
let bare: TestTemporal;
let bundle: WorkflowBundleWithSourceMap;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  [temporal, bare, bundle] = await Promise.all([
    startTestTemporal(),
    startTestTemporal({ searchAttributes: false }),
    bundleWorkflows(),
  ]);
}, 90_000);
afterAll(async () => {
  await temporal?.stop();
  await bare?.stop();
});

/** Runs `work` beside a worker that serves both queues with the given activities. */
async function withWorker<T>(
  server: TestTemporal,
  activities: Activities,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const connection = await Connection.connect({ address: server.address });
  const native = await NativeConnection.connect({ address: server.address });
  const client = new TemporalClient({ connection });
  const common = {
    connection: native,
    activities,
    maxHeartbeatThrottleInterval: '200ms',
    defaultHeartbeatThrottleInterval: '200ms',
  } as const;
  const workers = [
    await Worker.create({ ...common, taskQueue: 'plumbline-default', workflowBundle: bundle }),
    await Worker.create({ ...common, taskQueue: 'plumbline-heavy' }),
  ];
  const running = Promise.all(workers.map((worker) => worker.run()));
  try {
    return await work(client);
  } finally {
    for (const worker of workers) worker.shutdown();
    await running;
    await connection.close();
    await native.close();
  }
}

function runRef(searchAttributes: readonly string[] = Object.keys(SEARCH_ATTRIBUTES)): RunRef {
  return {
    runId: randomUUID().slice(0, 8),
    env: 'dev',
    project: `p-${randomUUID().slice(0, 8)}`,
    bundle: { digest: 'd', artifact: 'a' },
    root: '/nowhere',
    searchAttributes: [...searchAttributes],
    force: false,
  };
}

const ALL = ['elt', 'features', 'training', 'deployment'] as const;

async function startPipeline(
  client: Client,
  run = runRef(),
  stages: readonly string[] = ALL,
): Promise<WorkflowHandle<() => Promise<unknown>>> {
  return client.workflow.start('pipeline', {
    taskQueue: 'plumbline-default',
    workflowId: `dev/${run.project}/pipeline/latest`,
    args: [{ run, stages, startedBy: 'test' }],
  });
}

describe('pipeline', () => {
  it('goes through the four stages and ends with a promoted model', async () => {
    const result = await withWorker(temporal, fakes(), async (client) => (await startPipeline(client)).result());
    expect(result).toMatchObject({
      elt: {
        loads: [{ resource: 'rides' }, { resource: 'weather' }],
        transforms: [{ transform: 'a' }, { transform: 'b' }, { transform: 'c' }],
      },
      training: { model: 'm', version: 1 },
      deployment: { status: 'promoted' },
    });
  });

  it('tags itself with search attributes and current details', async () => {
    const run = runRef();
    await withWorker(temporal, fakes(), async (client) => {
      const handle = await startPipeline(client, run);
      await handle.result();
      const { typedSearchAttributes } = await handle.describe();
      const values = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
      expect(values).toMatchObject({ PlumblineProject: run.project, PlumblineEnv: 'dev', PlumblineStage: 'pipeline' });
    });
  });

  it('runs in a namespace that knows none of its search attributes', async () => {
    const result = await withWorker(bare, fakes(), async (client) =>
      (await startPipeline(client, runRef([]))).result(),
    );
    expect(result).toMatchObject({ deployment: { status: 'promoted' } });
  });

  it('builds a transform only after those it reads', async () => {
    const order: string[] = [];
    const buildTransform: Activities['buildTransform'] = async ({ transform }) => {
      order.push(`+${transform}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      order.push(`-${transform}`);
      return { transform, kind: 'table', rows: 1, testsPassed: 0, version: 'v' };
    };
    await withWorker(temporal, fakes({ buildTransform }), async (client) =>
      (await startPipeline(client, runRef(), ['elt'])).result(),
    );
    expect(order.indexOf('+c')).toBeGreaterThan(Math.max(order.indexOf('-a'), order.indexOf('-b')));
    expect(order.indexOf('+b')).toBeLessThan(order.indexOf('-a'));
  });

  it('tells the publication which extract it is of, where there is one', async () => {
    const told: Record<string, unknown> = {};
    const base = fakes();
    const activities = fakes({
      extractResource: async ({ resource }) =>
        resource === 'rides' ? { objects: [{}], extractId: '7' } : { objects: [{}] },
      publishResource: async (input) => {
        told[input.resource] = input.extractId ?? 'none';
        return base.publishResource(input);
      },
    });
    await withWorker(temporal, activities, async (client) => (await startPipeline(client, runRef(), ['elt'])).result());
    expect(told).toEqual({ rides: '7', weather: 'none' });
  });

  it('tries a transient error again and a terminal one never', async () => {
    let transient = 0;
    let terminal = 0;
    const extractResource: Activities['extractResource'] = async () => {
      if (++transient < 3)
        throw ApplicationFailure.create({ message: 'away', type: 'TransientError', nonRetryable: false });
      return { objects: [] };
    };
    const buildTransform: Activities['buildTransform'] = async ({ transform }) => {
      if (transform !== 'a') return { transform, kind: 'table', rows: 1, testsPassed: 0, version: 'v' };
      terminal++;
      throw ApplicationFailure.create({
        message: 'wrong SQL',
        type: 'TerminalError',
        nonRetryable: true,
        details: [{ code: 'ELT_SQL_ERROR', message: 'wrong SQL' }],
      });
    };
    const closed: CloseRunInput[] = [];
    const closeRun: Activities['closeRun'] = async (input) => void closed.push(input);
    await withWorker(temporal, fakes({ extractResource, buildTransform, closeRun }), async (client) => {
      await expect((await startPipeline(client)).result()).rejects.toBeInstanceOf(WorkflowFailedError);
    });
    expect(transient).toBeGreaterThanOrEqual(3);
    expect(terminal).toBe(1);
    expect(closed).toMatchObject([{ status: 'failed', error: { code: 'ELT_SQL_ERROR', message: 'wrong SQL' } }]);
  });

  it('with a source that fails publishes the others and what reads only them, then fails and names all of it', async () => {
    const done: string[] = [];
    const fail = (step: string) =>
      ApplicationFailure.create({
        message: 'empty',
        type: 'TerminalError',
        nonRetryable: true,
        details: [{ step, code: 'ELT_FILE_EMPTY', message: `Reading ${step} failed.`, terminal: true }],
      });
    const base = fakes();
    const closed: CloseRunInput[] = [];
    const activities = fakes({
      openRun: async () => ({
        ...PLAN,
        resources: ['rides', 'late', 'weather', 'after_rides'],
        resourcesAfter: { after_rides: ['rides'] },
      }),
      extractResource: async ({ resource }) => {
        if (resource === 'rides') throw fail('extract:rides');
        // Fails when the first has failed and would have ended it.
        if (resource !== 'late') return { objects: [{}] };
        await new Promise((resolve) => setTimeout(resolve, 300));
        throw fail('extract:late');
      },
      publishResource: async (input) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        done.push(input.resource);
        return base.publishResource(input);
      },
      buildTransform: async (input) => {
        done.push(input.transform);
        return base.buildTransform(input);
      },
      buildTrainingSet: async (input) => {
        done.push('training set');
        return base.buildTrainingSet(input);
      },
      closeRun: async (input) => void closed.push(input),
    });
    await withWorker(temporal, activities, async (client) => {
      await expect((await startPipeline(client)).result()).rejects.toBeInstanceOf(WorkflowFailedError);
    });
    expect(done).toEqual(['weather', 'b']);
    expect(closed).toMatchObject([
      {
        status: 'failed',
        error: {
          step: 'extract:rides',
          code: 'ELT_FILE_EMPTY',
          message: 'Reading extract:rides failed. load:late failed too.',
          terminal: true,
          skipped: { 'load:after_rides': 'load:rides', 'transform:a': 'load:rides', 'transform:c': 'load:rides' },
        },
      },
    ]);
  });

  it('closes a cancelled run after its activities have ended', async () => {
    const events: string[] = [];
    const loadObjects: Activities['loadObjects'] = async () => {
      events.push('loading');
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(), 50);
      try {
        await context.cancelled;
        throw new Error('not reached');
      } finally {
        clearInterval(beat);
        events.push('ended');
      }
    };
    const closeRun: Activities['closeRun'] = async ({ status }) => void events.push(status);
    await withWorker(temporal, fakes({ loadObjects, closeRun }), async (client) => {
      const handle = await startPipeline(client, runRef(), ['elt']);
      while (!events.includes('loading')) await new Promise((resolve) => setTimeout(resolve, 20));
      await handle.cancel();
      await expect(handle.result()).rejects.toBeInstanceOf(WorkflowFailedError);
    });
    expect(events.at(-1)).toBe('cancelled');
    expect(events.filter((event) => event === 'ended').length).toBe(
      events.filter((event) => event === 'loading').length,
    );
  });

  it('does not deploy a model that failed a gate', async () => {
    let promoted = 0;
    const result = await withWorker(
      temporal,
      fakes({
        registerModel: async () => ({
          model: 'm',
          version: 2,
          digest: 'd',
          created: true,
          gates: [{ gate: 'rmse better than champion', passed: false, reason: 'rmse 2 against 1' }],
        }),
        promoteModel: async ({ model, version, reason }) => {
          promoted++;
          return { model, version, status: 'promoted', reason };
        },
      }),
      async (client) => (await startPipeline(client)).result(),
    );
    expect(result).toMatchObject({
      deployment: { status: 'not_deployed', reason: expect.stringContaining('rmse 2 against 1') as string },
    });
    expect(promoted).toBe(0);
  });

  it.each(['none', 'manual'] as const)(
    'leaves a version waiting that an earlier run deployed for approval, with approval %s by now',
    async (approval) => {
      const run = runRef();
      const waiting: DeploymentInput = {
        run,
        model: 'm',
        version: 1,
        digest: 'd',
        approval: 'manual',
        approvalTimeoutMs: 60_000,
      };
      const activities = fakes({ openRun: async () => ({ ...PLAN, deploy: { ...PLAN.deploy, approval } }) });
      await withWorker(temporal, activities, async (client) => {
        const earlier = await client.workflow.start('deployment', {
          taskQueue: 'plumbline-default',
          workflowId: deploymentWorkflowId('dev', run.project, 'm', 1),
          args: [waiting],
        });
        expect(await (await startPipeline(client, run)).result()).toMatchObject({
          deployment: { status: 'waiting_for_approval', reason: 'plumbline models approve m 1' },
        });
        expect((await earlier.describe()).status.name).toBe('RUNNING');
        await earlier.terminate();
      });
    },
  );
});

describe('a stage alone', () => {
  it.each(['elt', 'featureEngineering', 'training'])('%s opens and closes a run of its own', async (type) => {
    const calls: string[] = [];
    const activities = fakes({
      openRun: async () => {
        calls.push('open');
        return PLAN;
      },
      closeRun: async ({ status }) => void calls.push(status),
    });
    const run = runRef();
    await withWorker(temporal, activities, (client) =>
      client.workflow.execute(type, {
        taskQueue: 'plumbline-default',
        workflowId: `dev/${run.project}/${type}/latest`,
        args: [{ run, stages: [], startedBy: 'test' }],
      }),
    );
    expect(calls).toEqual(['open', 'succeeded']);
  });
});

describe('deployment with approval', () => {
  const input = (run: RunRef, approvalTimeoutMs = 60_000): DeploymentInput => ({
    run,
    model: 'm',
    version: 7,
    digest: 'd',
    approval: 'manual',
    approvalTimeoutMs,
  });

  async function deploy(decision: 'approve' | 'reject' | null, timeoutMs?: number): Promise<DeploymentResult> {
    let written: 'approve' | 'reject' | null = null;
    const activities = fakes({
      readDecision: async () => ({ decision: written, who: 'ada', reason: 'looked at it' }),
    });
    const run = runRef();
    return withWorker(temporal, activities, async (client) => {
      const handle = await client.workflow.start('deployment', {
        taskQueue: 'plumbline-default',
        workflowId: deploymentWorkflowId('dev', run.project, 'm', 7),
        args: [input(run, timeoutMs)],
      });
      if (decision !== null) {
        // A signal without a decision row decides nothing.
        await handle.signal('decision');
        await new Promise((resolve) => setTimeout(resolve, 300));
        expect((await handle.describe()).status.name).toBe('RUNNING');
        written = decision;
        await handle.signal('decision');
      }
      return (await handle.result()) as DeploymentResult;
    });
  }

  it('promotes when the row says approve', async () => {
    expect(await deploy('approve')).toMatchObject({ status: 'promoted', reason: 'looked at it' });
  });
  it('ends as rejected when the row says reject', async () => {
    expect(await deploy('reject')).toMatchObject({ status: 'rejected', reason: 'ada: looked at it' });
  });
  it('leaves what serves when nobody decides in time', async () => {
    expect(await deploy(null, 400)).toMatchObject({ status: 'timed_out' });
  });
});

describe('intervals', () => {
  const days = ['2024-01-01', '2024-01-02', '2024-01-03', '2024-01-04', '2024-01-05'].map((day) => `${day}T00:00:00Z`);
  const intervals = days.slice(1).map((end, index) => ({ start: days[index]!, end, timezone: 'UTC' }));
  const template = () => {
    const { runId: _runId, ...rest } = runRef();
    return rest;
  };
  /** All four are missing until they are done or tried; `failing` ones break in their load. */
  const bench = (failing: readonly string[]) => {
    const opened: { interval: string | undefined; stages: number; once: unknown; keepLoaded: unknown }[] = [];
    const activities = fakes({
      findMissingIntervals: async ({ after = '' }) => {
        const left = intervals.filter(({ start }) => start >= after);
        return { intervals: left.slice(0, 2), total: left.length };
      },
      openRun: async ({ run, stages }) => {
        const interval = run.interval?.start.slice(0, 10);
        opened.push({ interval, stages: stages.length, once: run.once, keepLoaded: run.keepLoaded });
        return { ...PLAN, resources: ['rides'] };
      },
      extractResource: async ({ run }) => {
        if (failing.includes(run.interval!.start.slice(0, 10)))
          throw ApplicationFailure.nonRetryable('no', 'TerminalError', { code: 'X', message: 'the day is broken' });
        return { objects: [] };
      },
    });
    return { opened, activities };
  };
  const startSchedule = (client: Client): Promise<WorkflowHandle<() => Promise<unknown>>> => {
    const about = template();
    const input = { schedule: 'load', template: about, stages: ALL, grid: { length: 'daily', timezone: 'UTC' } };
    const workflowId = `dev/${about.project}/schedule/load`;
    return client.workflow.start('scheduledRun', { taskQueue: 'plumbline-default', workflowId, args: [input] });
  };

  it('of a start run the oldest first; one that fails is left and the rest goes on, training with the last', async () => {
    const { opened, activities } = bench(['2024-01-02']);
    const failure = await withWorker(temporal, activities, async (client) =>
      (await startSchedule(client)).result().catch((error: unknown) => error),
    );
    expect((failure as WorkflowFailedError).cause?.message).toContain('1 of 4 intervals of schedule load failed');
    expect(opened).toEqual([
      { interval: '2024-01-01', stages: 1, once: true, keepLoaded: undefined },
      { interval: '2024-01-02', stages: 1, once: true, keepLoaded: true },
      { interval: '2024-01-03', stages: 1, once: true, keepLoaded: true },
      { interval: '2024-01-04', stages: 4, once: true, keepLoaded: true },
    ]);
  });

  it('of a start that fail three times in a row end it', async () => {
    const { opened, activities } = bench(['2024-01-01', '2024-01-02', '2024-01-03', '2024-01-04']);
    const failure = await withWorker(temporal, activities, async (client) =>
      (await startSchedule(client)).result().catch((error: unknown) => error),
    );
    expect(opened).toHaveLength(3);
    expect((failure as WorkflowFailedError).cause?.message).toContain('3 runs in a row failed, the last one: the day');
  });

  it('of a backfill wait while it is paused, and are counted', async () => {
    const { opened, activities } = bench(['2024-01-03']);
    const about = template();
    const input = {
      backfillId: 'b',
      template: about,
      stages: ['elt'],
      grid: { length: 'daily', timezone: 'UTC' },
      from: days[0],
      until: days[4],
      failedOnly: false,
      startedBy: 'test',
    };
    const result = await withWorker(temporal, activities, async (client) => {
      const handle: WorkflowHandle<() => Promise<unknown>> = await client.workflow.signalWithStart('backfill', {
        taskQueue: 'plumbline-default',
        workflowId: `dev/${about.project}/backfill/latest`,
        args: [input],
        signal: 'pause',
      });
      while ((await handle.query<{ left: number }>('progress')).left < 4) await new Promise((next) => setTimeout(next, 50)); // prettier-ignore
      expect(await handle.query('progress')).toMatchObject({ state: 'paused', done: 0, left: 4 });
      expect(opened).toEqual([]);
      await handle.signal('resume');
      return handle.result();
    });
    expect(result).toEqual({ backfillId: 'b', state: 'over', done: 3, failed: 1, left: 0 });
    expect(opened.every(({ keepLoaded }) => keepLoaded === true)).toBe(true);
  });
});
