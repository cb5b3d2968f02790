/**
 * One more file of a few rows in a run of a warm worker, as a schedule starts it: from the start to the end of the run on a real Temporal, and
 * what of it is the activities' own time. Medians.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, bundleWorkflowCode } from '@temporalio/worker';
import { pino } from 'pino';
import { createActivities } from '../src/activities/index.js';
import { SEARCH_ATTRIBUTES } from '../src/contracts/queues.js';
import type { RunRef } from '../src/contracts/run.js';
import { packBundle } from '../src/project/pack-bundle.js';
import { openDirectoryStore } from '../src/storage/artifact-store.js';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';
import { startTestTemporal } from '../tests/setup/temporal.js';
import { median } from './support/load.js';

const ROUNDS = 15;
const ROWS = 100;

const root = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
const url = process.env['PLUMBLINE_DATABASE_URL']!;
await migrate(url);
const database = openDatabase({ url, max: 24 });
const store = openDirectoryStore(join(root, '.plumbline', 'store'));
await mkdir(join(root, 'data'));
await writeFile(
  join(root, 'plumbline.yaml'),
  'name: bench\nsources:\n  days: { path: data/*.csv, write: append, columns: { id: bigint, day: date, amount: "numeric(12,2)" } }\n',
);
async function addFile(round: number): Promise<void> {
  const lines = Array.from({ length: ROWS }, (_, row) => `${round * ROWS + row},2024-01-01,${row}.50`);
  await writeFile(join(root, 'data', `${String(round).padStart(3, '0')}.csv`), `id,day,amount\n${lines.join('\n')}\n`);
}

/** Time in each activity of a round, milliseconds; those that run at once count one after the other. */
const spent = new Map<string, number>();
const activities = Object.fromEntries(
  Object.entries(
    createActivities({
      database,
      store,
      cacheDir: join(root, '.plumbline', 'cache'),
      threads: 1,
      log: pino({ level: 'silent' }),
    }),
  ).map(([name, activity]) => [
    name,
    async (input: unknown) => {
      const start = performance.now();
      try {
        return await (activity as (input: unknown) => Promise<unknown>)(input);
      } finally {
        spent.set(name, (spent.get(name) ?? 0) + performance.now() - start);
      }
    },
  ]),
);

Runtime.install({ logger: new DefaultLogger('ERROR') });
const temporal = await startTestTemporal();
const native = await NativeConnection.connect({ address: temporal.address });
const connection = await Connection.connect({ address: temporal.address });
const client = new Client({ connection });
const worker = await Worker.create({
  connection: native,
  taskQueue: 'plumbline-default',
  activities,
  workflowBundle: await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../src/workflows/index.ts', import.meta.url)),
    logger: new DefaultLogger('WARN'),
  }),
});
const running = worker.run();
const bundle = await packBundle({ root, store });

async function run(round: number): Promise<void> {
  const ref: RunRef = {
    runId: `round-${round}`,
    env: 'dev',
    project: 'bench',
    bundle: { digest: bundle.digest, artifact: bundle.artifact.sha256 },
    root,
    searchAttributes: Object.keys(SEARCH_ATTRIBUTES),
    force: false,
  };
  await client.workflow.execute('elt', {
    taskQueue: 'plumbline-default',
    workflowId: ref.runId,
    args: [{ run: ref, stages: ['elt'], startedBy: 'bench' }],
  });
}

try {
  const whole: number[] = [];
  const own: number[] = [];
  const each = new Map<string, number[]>();
  // The first rounds make the table and warm the worker.
  for (let round = -3; round < ROUNDS; round++) {
    await addFile(round + 3);
    spent.clear();
    const start = performance.now();
    await run(round + 3);
    if (round < 0) continue;
    whole.push(performance.now() - start);
    own.push([...spent.values()].reduce((sum, one) => sum + one, 0));
    for (const [name, milliseconds] of spent) each.set(name, [...(each.get(name) ?? []), milliseconds]);
  }
  const [counted] = await database.query<{ rows: number }>('SELECT count(*)::int AS rows FROM bench_dev_raw.days');
  if (counted?.rows !== (ROUNDS + 3) * ROWS) throw new Error(`${counted?.rows} rows are in the table`);
  const row = (milliseconds: number[], expected: string): object => ({
    milliseconds: median(milliseconds).toFixed(0),
    slowest: Math.max(...milliseconds).toFixed(0),
    expected,
  });
  console.table({
    'start to end of the run': row(whole, 'at most 1000'),
    'the activities by themselves': row(own, 'at most 100'),
    ...Object.fromEntries([...each].map(([name, milliseconds]) => [`  ${name}`, row(milliseconds, '')])),
  });
} finally {
  worker.shutdown();
  await running;
  await connection.close();
  await native.close();
  await temporal.stop();
  await database.close();
  await rm(root, { recursive: true, force: true });
}
