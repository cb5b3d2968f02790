/**
 * 40 steps that do nothing, one after the other: through the `elt` workflow (run opened and closed, report kept, search
 * attributes set) and as the same 40 activities in a bare workflow, on one tuned dev server, in turns.
 */
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, bundleWorkflowCode } from '@temporalio/worker';
import type { RunPlan, RunRef } from '../src/contracts/run.js';
import { SEARCH_ATTRIBUTES } from '../src/contracts/queues.js';
import { startTestTemporal } from '../tests/setup/temporal.js';

const STEPS = 40;
const ROUNDS = 9;

const transforms = Array.from({ length: STEPS }, (_, step) => ({
  name: `t${step}`,
  after: step === 0 ? [] : [`t${step - 1}`],
}));
const plan: RunPlan = { resources: [], transforms, deploy: { model: 'm', approval: 'none', approvalTimeoutMs: 1 } };
const activities = {
  openRun: async () => plan,
  closeRun: async () => {},
  buildTransform: async ({ transform }: { transform: string }) => ({
    transform,
    kind: 'table',
    rows: 0,
    testsPassed: 0,
    version: 'v',
  }),
};
const run: RunRef = {
  runId: 'bench',
  env: 'bench',
  project: 'bench',
  bundle: { digest: 'd', artifact: 'a' },
  root: '/',
  searchAttributes: Object.keys(SEARCH_ATTRIBUTES),
  force: false,
};

Runtime.install({ logger: new DefaultLogger('ERROR') });
const temporal = await startTestTemporal();
const native = await NativeConnection.connect({ address: temporal.address });
const connection = await Connection.connect({ address: temporal.address });
const client = new Client({ connection });
const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const bundle = (file: string) => bundleWorkflowCode({ workflowsPath: path(file), logger: new DefaultLogger('WARN') });
const workers = [
  await Worker.create({
    connection: native,
    taskQueue: 'plumbline-default',
    activities,
    workflowBundle: await bundle('../src/workflows/index.ts'),
  }),
  await Worker.create({
    connection: native,
    taskQueue: 'bare',
    activities,
    workflowBundle: await bundle('./bare-workflow.ts'),
  }),
];
const running = Promise.all(workers.map((worker) => worker.run()));

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
const ours = (round: number) =>
  client.workflow.execute('elt', {
    taskQueue: 'plumbline-default',
    workflowId: `ours-${round}`,
    args: [{ run, stages: ['elt'], startedBy: 'bench' }],
  });
const bare = (round: number) =>
  client.workflow.execute('bare', { taskQueue: 'bare', workflowId: `bare-${round}`, args: [{ steps: STEPS }] });

const times: { ours: number; bare: number }[] = [];
for (let round = -1; round < ROUNDS; round++) {
  const pair = { bare: await seconds(() => bare(round)), ours: await seconds(() => ours(round)) };
  if (round >= 0) times.push(pair);
}
for (const worker of workers) worker.shutdown();
await running;
await connection.close();
await native.close();
await temporal.stop();

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const row = (name: string, values: number[]): void =>
  console.log(
    `${name.padEnd(32)} ${median(values).toFixed(3).padStart(8)} s   ${((1000 * median(values)) / STEPS).toFixed(1).padStart(6)} ms a step`,
  );
console.log(`\n${STEPS} steps in a row, median of ${ROUNDS} rounds in turns`);
row(
  'bare SDK workflow',
  times.map((time) => time.bare),
);
row(
  'plumbline elt workflow',
  times.map((time) => time.ours),
);
console.log(
  `${'ratio, pair by pair'.padEnd(32)} ${median(times.map((time) => time.ours / time.bare))
    .toFixed(3)
    .padStart(8)}`,
);
