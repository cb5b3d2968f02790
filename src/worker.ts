import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { pino, type Logger } from 'pino';
import { describeLineage } from './activities/describe-lineage.js';
import { createActivities } from './activities/index.js';
import { watchAlerts } from './alerts/watch-alerts.js';
import { createWorkflowEnds } from './client/workflow-ends.js';
import type { Settings } from './config.js';
import { MOST_PARALLEL } from './contracts/most-parallel.js';
import { taskQueue } from './contracts/queues.js';
import { TransientError } from './errors.js';
import { allowOwnStack } from './model/allow-own-stack.js';
import { watchLineage } from './openlineage/watch-lineage.js';
import { openStore, sweepStore } from './storage/open-store.js';
import { CONNECTIONS } from './storage/connection-budget.js';
import { openDatabase } from './storage/database.js';
import { databaseId } from './storage/installation.js';
import { assertSessions } from './storage/find-pooler.js';
import { migrate } from './storage/migrations.js';
import { makeOwnFolder, removeAbandoned } from './storage/owned-files.js';
import { forgetWorker, stampWorker } from './storage/workers.js';
import { VERSION } from './version.js';

/** Activities of one kind that run at once in a process; the heavy queue is CPU work that has its own threads. */
const SLOTS: Readonly<Record<string, number>> = { default: 8, heavy: 2, ahead: MOST_PARALLEL };

/**
 * Runs a worker for the queues until SIGTERM or SIGINT: workflows and activities on `default`, activities elsewhere. With `default` goes
 * `ahead`, so that whoever runs a backfill also serves what it lands ahead.
 * Ends with an error when PostgreSQL or Temporal cannot be reached at the start; a supervisor starts it again. A pooler that
 * lends connections by the transaction is refused (`PG_POOLER`).
 */
export async function runWorker(options: {
  readonly settings: Settings;
  readonly queues: readonly string[];
}): Promise<void> {
  const { settings, queues } = options;
  const log = pino({ name: 'worker' }, pino.destination(2));
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => forward(log, level, message, meta)),
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} } },
    shutdownSignals: ['SIGINT', 'SIGTERM'],
  });
  if (settings.databaseUrl === undefined) {
    throw new TransientError(
      'NO_DATABASE',
      'Starting a worker failed: no embedded stack runs here and PLUMBLINE_DATABASE_URL is not set.',
      {
        next: 'Start one with `plumbline up`, or set PLUMBLINE_DATABASE_URL.',
      },
    );
  }
  allowOwnStack(settings, process.env);
  const url = settings.databaseUrl.reveal();
  await assertSessions(url);
  await migrate(url);
  const database = openDatabase({
    url,
    max: CONNECTIONS.worker,
    // A step uses two: its own, and that of what asks beside it.
    warm: 2,
    applicationName: 'plumbline worker',
  });
  const cacheDir = join(settings.stateDir, 'cache');
  const scratchDir = await openScratch(settings, join(cacheDir, 'scratch'));
  const store = openStore(settings);
  await store.addUser(await databaseId(database));
  const dependencies = {
    database,
    store,
    cacheDir,
    scratchDir,
    threads: Math.max(1, Math.min(4, availableParallelism())),
    log,
  };
  const activities = createActivities(dependencies);

  const connection = await connect(settings);
  const identity = {
    id: `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`,
    host: hostname(),
    pid: process.pid,
    queues,
    version: VERSION,
    store: { place: store.place, id: await store.identity() },
  };
  const workers = await Promise.all(
    served(queues).map((queue) =>
      Worker.create(optionsFor(queue, { connection, settings, activities, identity: identity.id })),
    ),
  );
  const stamp = (): void => {
    // While it shuts down it takes no more work: a command must not count on it.
    if (!workers.every((worker) => worker.getState() === 'RUNNING')) return;
    stampWorker(database, identity).catch((error: unknown) =>
      log.warn({ err: error }, 'stamping this worker as alive failed'),
    );
  };
  const running = Promise.all(workers.map((worker) => worker.run()));
  stamp();
  const stamping = setInterval(stamp, 2_000);
  const alerts = watchAlerts({
    database,
    environment: process.env,
    ends: createWorkflowEnds(settings),
    onError: (error) => log.warn({ err: error }, 'looking for alerts failed'),
  });
  const lineage =
    settings.openLineage === undefined
      ? undefined
      : watchLineage({
          database,
          receiver: {
            url: settings.openLineage.url.reveal(),
            ...(settings.openLineage.key === undefined ? {} : { key: settings.openLineage.key.reveal() }),
          },
          databaseUrl: settings.databaseUrl.reveal(),
          version: VERSION,
          describe: (run) => describeLineage(dependencies, run),
          onError: (error) => log.warn({ err: error }, 'telling of lineage failed'),
        });
  log.info({ queues, pid: process.pid, temporal: settings.temporal.address }, 'worker started');
  try {
    await running;
  } finally {
    clearInterval(stamping);
    await alerts.stop();
    await lineage?.stop();
    await forgetWorker(database, identity.id).catch(() => {});
    await connection.close();
    await database.close();
    await rm(scratchDir, { recursive: true, force: true });
  }
}

function served(queues: readonly string[]): string[] {
  return [...new Set([...queues, ...(queues.includes('default') ? ['ahead'] : [])])];
}

/**
 * Temporary files of all steps go to a folder of this process, so that the next worker knows what a killed one left;
 * files of a load or a training set may be large.
 */
async function openScratch(settings: Settings, parent: string): Promise<string> {
  await removeAbandoned(parent);
  await sweepStore(settings);
  const scratch = await makeOwnFolder(parent);
  process.env['TMPDIR'] = scratch;
  return scratch;
}

async function connect(settings: Settings): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(settings.temporal.connectionOptions);
  } catch (error) {
    throw new TransientError(
      'TEMPORAL_UNREACHABLE',
      `Connecting to Temporal at ${settings.temporal.address} failed: ${error instanceof Error ? error.message : String(error)}.`,
      {
        next: 'Start it with `plumbline up`, or check TEMPORAL_ADDRESS.',
        cause: error,
      },
    );
  }
}

function optionsFor(
  queue: string,
  shared: { connection: NativeConnection; settings: Settings; activities: object; identity: string },
): WorkerOptions {
  return {
    connection: shared.connection,
    namespace: shared.settings.temporal.namespace,
    taskQueue: taskQueue(queue),
    identity: shared.identity,
    activities: shared.activities,
    ...(queue === 'default' ? workflowSource() : {}),
    maxConcurrentActivityTaskExecutions: SLOTS[queue] ?? 2,
    // Progress and cancellation travel with heartbeats: at most a second late.
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    // A dead worker's sticky queue would hold its workflows for 10 s.
    stickyQueueScheduleToStartTimeout: '1s',
    shutdownGraceTime: '5s',
    shutdownForceTime: '20s',
  };
}

/** The bundle `npm run build` made, or, from source, one made now. */
function workflowSource(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const codePath = fileURLToPath(new URL('./workflow-bundle.js', import.meta.url));
  if (existsSync(codePath)) return { workflowBundle: { codePath } };
  return { workflowsPath: fileURLToPath(new URL('./workflows/index.ts', import.meta.url)) };
}

function forward(log: Logger, level: string, message: string, meta: object | undefined): void {
  const entry = { ...meta };
  if (level === 'ERROR') log.error(entry, message);
  else if (level === 'WARN') log.warn(entry, message);
  else log.info(entry, message);
}
