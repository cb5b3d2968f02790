import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeLineage } from '../../src/activities/describe-lineage.js';
import { parseInterval } from '../../src/model/parse-interval.js';
import { datasetName } from '../../src/openlineage/dataset-name.js';
import { eventRunId, type RunEvent } from '../../src/openlineage/event.js';
import { sendLineageEvents } from '../../src/openlineage/send-events.js';
import { makeLineageEvents } from '../../src/openlineage/watch-lineage.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { saveBundle } from '../../src/storage/bundles.js';
import { createWorkbench, type Workbench } from '../activities/workbench.js';
import { startApiServer, type ApiServer } from '../support/api-server.js';

const SCHEMAS = new URL('../fixtures/openlineage/', import.meta.url);

let bench: Workbench;
let receiver: ApiServer;
let statuses: number[] = [];
const received: RunEvent[] = [];
let assertValid: (event: RunEvent) => void;
beforeAll(async () => {
  receiver = await startApiServer(async (request, response) => {
    const status = statuses.shift() ?? 201;
    if (status === 201) received.push(JSON.parse(await text(request)) as RunEvent);
    response.writeHead(status).end();
  });
  bench = await createWorkbench({
    'plumbline.yaml': `name: shop
sources:
  sales: { path: a.csv }
train: { labels: labels.sql, features: [calendar], test_from: 2025-02-20 }
`,
    'a.csv': sales(),
    'sql/daily.sql': "SELECT day, units * 2 AS twice FROM {{ source('sales') }} WHERE units > 0\n",
    'labels.sql':
      "-- entity: day\n-- label_time: day\n-- target: twice\n-- horizon: 0d\nSELECT day, twice FROM {{ ref('daily') }}\n",
    'features/calendar.sql':
      "-- entity: day\n-- event_time: day\n-- known_at: known_at\nSELECT day, day - 365 AS known_at, extract(dow FROM day)::int AS weekday FROM {{ ref('days') }}\n",
    'sql/days.sql': "-- materialized: ephemeral\nSELECT day FROM {{ ref('daily') }};\n",
  });
  assertValid = await createValidator();
});
afterAll(async () => {
  await bench.destroy();
  await receiver.close();
});

/** 120 days from 2025-01-01 on. */
function sales(): string {
  const rows = [...Array(120).keys()].map((day) => {
    const date = new Date(Date.UTC(2025, 0, 1 + day));
    return `${date.toISOString().slice(0, 10)},${date.getUTCDay() * 10 + (day % 3) + 1}`;
  });
  return `day,units\n${rows.join('\n')}\n`;
}

/** Checks an event against RunEvent, and each facet against the schema that it names. */
async function createValidator(): Promise<(event: RunEvent) => void> {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    formats: {
      uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      'date-time': (value: string) => /T.*(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value)),
      uri: (value: string) => URL.canParse(value),
    },
  });
  const files = (await readdir(SCHEMAS)).filter((name) => name.endsWith('.json'));
  for (const name of files) ajv.addSchema(JSON.parse(await readFile(new URL(name, SCHEMAS), 'utf8')) as object);
  const check = (schema: string, value: unknown): void => {
    const validate = ajv.getSchema(schema);
    if (validate === undefined) throw new Error(`no schema ${schema}`);
    expect(validate(value), `${schema}: ${ajv.errorsText(validate.errors)} ${JSON.stringify(value)}`).toBe(true);
  };
  return (event) => {
    check(event.schemaURL, event);
    const datasets = [...event.inputs, ...event.outputs];
    const all = [event.run.facets, event.job.facets, ...datasets.flatMap((one) => [one.facets, one.outputFacets])];
    for (const facet of all.flatMap((facets) => Object.values(facets ?? {}))) check(String(facet['_schemaURL']), facet);
  };
}

const make = () =>
  makeLineageEvents({
    database: bench.test.database,
    databaseUrl: 'postgres://ann:secret@db.example.com/shop',
    version: '1.2.3',
    describe: (run) =>
      describeLineage(
        {
          database: bench.test.database,
          store: openDirectoryStore(join(bench.root, '.plumbline', 'store')),
          cacheDir: join(bench.root, '.plumbline', 'cache'),
          threads: 1,
          log: pino({ level: 'silent' }),
        },
        run,
      ),
    onError: (error) => {
      throw error;
    },
  });
const send = () => sendLineageEvents(bench.test.database, { url: receiver.url, key: 'k3y' }, { timeoutMs: 2_000 });

it('tells of a run, its load, its build and its training set: each event once, valid, with columns and counts', async () => {
  const interval = parseInterval('2025-01-01/2025-01-05', 'UTC');
  const { run, plan } = await bench.open('run-1', ['elt', 'features'], { interval });
  await saveBundle(bench.test.database, {
    digest: run.bundle.digest,
    artifact: run.bundle.artifact,
    project: 'shop',
    git_commit: null,
    git_dirty: null,
    files: {},
  });
  await make();
  // The server is away, then refuses, then takes: nothing is lost, and nothing waits for it.
  expect(await sendLineageEvents(bench.test.database, { url: 'http://127.0.0.1:1' }, { timeoutMs: 500 })).toBe(0);
  await bench.elt(run, plan);
  await bench.features(run);
  await bench.close(run);
  await Promise.all([make(), make()]);
  const isDue = () => bench.test.database.execute('UPDATE plumbline.lineage_events SET next_try_at = now()');
  await isDue();
  statuses = [500];
  await send();
  await isDue();
  await send();
  await isDue();
  expect(await send()).toBe(0);
  await make();
  expect(await send()).toBe(0);

  for (const event of received) assertValid(event);
  expect(receiver.requests[0]).toBe('POST /api/v1/lineage');
  expect(receiver.received[0]!.headers.authorization).toBe('Bearer k3y');
  const told = received.map(({ eventType, job }) => `${job.name} ${eventType}`).sort();
  expect(told).toEqual([
    'dev.shop COMPLETE',
    'dev.shop START',
    'dev.shop.features.main COMPLETE',
    'dev.shop.features.main START',
    'dev.shop.load.sales COMPLETE',
    'dev.shop.load.sales START',
    'dev.shop.transform.daily COMPLETE',
    'dev.shop.transform.daily START',
  ]);
  const end = (job: string) => received.find((one) => one.job.name === job && one.eventType !== 'START')!;
  const sales = { namespace: 'postgres://db.example.com:5432', name: 'shop.shop_dev_raw.sales' };
  const daily = { ...sales, name: 'shop.shop_dev.daily' };
  expect(end('dev.shop.load.sales')).toMatchObject({
    run: {
      runId: eventRunId('run-1', 'load:sales'),
      facets: {
        parent: { run: { runId: eventRunId('run-1', '') }, job: { namespace: 'plumbline', name: 'dev.shop' } },
        nominalTime: { nominalStartTime: interval.start, nominalEndTime: interval.end },
      },
    },
    inputs: [{ namespace: 'file', name: join(bench.root, 'a.csv') }],
    outputs: [{ ...sales, outputFacets: { outputStatistics: { rowCount: 120 } } }],
  });
  const built = end('dev.shop.transform.daily');
  expect(built.job.facets['sql']).toMatchObject({ query: expect.stringContaining('"shop_dev_raw"."sales"') as string });
  expect(built.inputs).toMatchObject([sales]);
  expect(built.outputs).toMatchObject([{ ...daily, outputFacets: { outputStatistics: { rowCount: 120 } } }]);
  const { schema, columnLineage } = built.outputs[0]!.facets!;
  expect(schema!['fields']).toEqual([
    { name: 'day', type: 'date' },
    { name: 'twice', type: 'bigint' },
  ]);
  expect(columnLineage).toMatchObject({
    fields: {
      day: { inputFields: [{ ...sales, field: 'day', transformations: [{ type: 'DIRECT' }] }] },
      twice: { inputFields: [{ ...sales, field: 'units' }] },
    },
    dataset: [{ ...sales, field: 'units', transformations: [{ type: 'INDIRECT' }] }],
  });
  // Through the SELECTs of feature views, labels and an ephemeral transform, which make no table.
  const set = end('dev.shop.features.main');
  expect(set.inputs).toMatchObject([daily]);
  expect(set.outputs).toMatchObject([{ namespace: 'plumbline', name: 'dev.shop.training_set_main' }]);
  expect(set.outputs[0]!.facets!['columnLineage']).toMatchObject({
    fields: { weekday: { inputFields: [{ ...daily, field: 'day' }] } },
  });
  expect(JSON.stringify(received)).not.toMatch(/secret|ann:/);
  expect(await bench.test.database.query('SELECT count(event)::int AS waiting FROM plumbline.lineage_events')).toEqual([{ waiting: 0 }]); // prettier-ignore
});

it('tells of what failed and why when its run is over, of a cancelled run as aborted, and not of what is reused', async () => {
  received.length = 0;
  const again = await bench.open('run-2', ['elt']);
  await bench.elt(again.run, again.plan);
  await bench.close(again.run);
  await bench.write({ 'a.csv': 'day,units\n2025-01-01,"x\n' });
  const { run } = await bench.open('run-3', ['elt'], { force: true });
  await bench.test.database.execute(
    `UPDATE plumbline.run_steps SET status = 'failed', started_at = now(), ended_at = now(), error = '{"code":"X","message":"bad file"}'
     WHERE run_id = 'run-3' AND step = 'load:sales'`,
  );
  await make();
  await send();
  expect(received.map(({ job, eventType }) => `${job.name} ${eventType}`)).not.toContain('dev.shop.load.sales FAIL');
  await bench.call('closeRun', { run, status: 'failed', error: { code: 'X', message: 'bad file' } });
  const stopped = await bench.open('run-4', ['elt']);
  await bench.close(stopped.run, 'cancelled');
  const needless = await bench.open('run-5', ['elt']);
  const error = { code: 'RUN_INTERVAL_DONE', message: 'done' };
  await bench.call('closeRun', { run: needless.run, status: 'failed', error });
  await make();
  await send();
  for (const event of received) assertValid(event);
  const told = received.map(({ run: of, job, eventType }) => [of.runId, `${job.name} ${eventType}`]);
  const of = (runId: string) => told.filter(([id]) => ['', 'load:sales'].some((step) => id === eventRunId(runId, step))).map(([, what]) => what); // prettier-ignore
  expect(of('run-2')).toEqual(['dev.shop START', 'dev.shop COMPLETE']);
  expect(of('run-3')).toEqual(['dev.shop START', 'dev.shop.load.sales START', 'dev.shop.load.sales FAIL', 'dev.shop FAIL']); // prettier-ignore
  for (const id of ['run-4', 'run-5']) expect(of(id)).toEqual(['dev.shop START', 'dev.shop ABORT']);
  const failed = received.find(({ eventType, job }) => eventType === 'FAIL' && job.name === 'dev.shop.load.sales');
  expect(failed!.run.facets['errorMessage']).toMatchObject({ message: 'bad file' });
});

it.each([
  ['s3://lake/rides/2024-?#1.csv', 's3://lake', 'rides/2024-?#1.csv'],
  ['https://me:secret@a.example/b.csv?key=1', 'https://a.example', 'b.csv'],
  ['https://a.example?key=1', 'https://a.example', '/'],
])('%s is the dataset %s %s', (path, namespace, name) => {
  const places = { database: { namespace: 'p', name: 'd' }, root: '/', namespace: 'n', env: 'dev', project: 'shop' };
  expect(datasetName({ id: 'object', path }, places)).toEqual({ namespace, name });
});
