import { readFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fingerprint } from '../../src/activities/fingerprint.js';
import { hideParameters } from '../../src/hide-parameters.js';
import { objectName } from '../../src/model/object-name.js';
import { listLoads } from '../../src/storage/loads.js';
import { sendJson, startApiServer, type ApiServer } from '../support/api-server.js';
import { createWorkbench, type Workbench } from './workbench.js';

/** In the parameters and the user part of every address, and in every secret. */
const CANARY = 'CANARY-7f3a';
const SECRETS = { TEST_CANARY_TOKEN: CANARY, TEST_CANARY_DB: `postgres://shop:${CANARY}@127.0.0.1:1/shop` };

let bench: Workbench;
let server: ApiServer;
const lines: string[] = [];
/** What Temporal would keep: inputs, results, failures and heartbeats of activities. */
const history: string[] = [];

beforeAll(async () => {
  Object.assign(process.env, SECRETS);
  server = await startApiServer((request, response, { pathname, searchParams }) => {
    if (pathname.endsWith('gone.csv')) return void response.writeHead(404).end();
    if (pathname.endsWith('.csv')) return void response.end('id,n\n1,1\n2,x\n');
    const page = Number(searchParams.get('page') ?? 1);
    const next = `<${server.url}/orders?page=${page + 1}&sig=${CANARY}>; rel="next"`;
    sendJson(response, [{ id: page }], page < 3 ? { link: next } : {});
  });
  const log = new PassThrough().on('data', (line: Buffer) => lines.push(line.toString()));
  bench = await createWorkbench(files(), pino({ level: 'trace' }, log));
});
afterAll(async () => {
  for (const name of Object.keys(SECRETS)) delete process.env[name];
  await server.close();
  await bench.destroy();
});

const python = spawnSync('python3', ['--version']).status === 0;
const address = (name: string): string => `${server.url}/${name}.csv?day=1&sig=${CANARY}`;
const RATES = (): string =>
  `  rates: { path: "${address('rates')}", allow_private: true, max_rejected: 100%, columns: { n: bigint } }\n`;

function files(): Record<string, string> {
  return {
    'plumbline.yaml': `name: shop
sources:
${RATES()}  parsed: { path: "${address('parsed')}", allow_private: true, parse: parse.mjs }
  bad: { path: "${address('bad')}", allow_private: true, max_rejected: 0%, columns: { n: bigint } }
  gone: { path: "${address('gone')}", allow_private: true }
  user: { path: "${server.url.replace('//', `//shop:${CANARY}@`)}/user.csv", allow_private: true }
  listed: { inventory: listed.sql, allow_private: true, format: csv, max_missing: 100% }
  refused: { inventory: refused.sql, allow_private: true, parse: parse.mjs, max_rejected: 100% }
  orders:
    type: http
    url: ${server.url}
    allow_private: true
    auth: { type: bearer, token: env:TEST_CANARY_TOKEN }
    params: { key: env:TEST_CANARY_TOKEN }
    pagination: { type: link }
    resources: { orders: { path: /orders } }
  warehouse: { type: postgres, connection: env:TEST_CANARY_DB, resources: { items: { table: items } } }
${python ? '  script: { type: python, script: script.py, config: { key: env:TEST_CANARY_TOKEN }, resources: { rows: {} } }\n' : ''}`,
    'listed.sql': `SELECT unnest(ARRAY['${address('one')}', '${address('two')}', '${address('gone')}']) AS url\n`,
    'refused.sql': `SELECT unnest(ARRAY['${address('read')}', '${address('refuse')}']) AS url\n`,
    'parse.mjs': `export default function* ({ name }) {
      console.log('at', name);
      yield { day: new URL(name).searchParams.get('day') };
      if (name.includes('refuse')) throw new Error('no ' + name);
    }\n`,
    'script.py': 'import plumbline\ndef rows():\n    print(plumbline.config())\n    yield {"id": 1}\n',
  };
}

let runs = 0;
/** Loads each resource, whatever becomes of the others; gives their ends. */
async function loadAll(): Promise<Record<string, string>> {
  const ends: Record<string, string> = {};
  const { run, plan } = await bench.open(`run-${++runs}`, ['elt']);
  for (const resource of plan.resources) {
    ends[resource] = await load(run, resource).catch((error: unknown) => {
      history.push(JSON.stringify(failureOf(error)));
      return (error as { details?: { code: string }[] }).details?.[0]?.code ?? String(error);
    });
  }
  await bench.close(run, 'failed');
  return ends;
}

async function load(run: Awaited<ReturnType<Workbench['ref']>>, resource: string): Promise<string> {
  const environment = new MockActivityEnvironment();
  environment.on('heartbeat', (details: unknown) => history.push(JSON.stringify(details)));
  const call = async <K extends Parameters<Workbench['call']>[0]>(name: K, input: Parameters<Workbench['call']>[1]) => {
    history.push(JSON.stringify(input));
    const result = await bench.call(name, input, undefined, environment);
    history.push(JSON.stringify(result));
    return result;
  };
  const extracted = (await call('extractResource', { run, resource })) as Extracted;
  if (extracted.reused !== undefined) return `reused ${extracted.reused.version}`;
  const loads: { status: string }[] = [];
  for (let start = 0; start < extracted.objects.length; start = loads.length) {
    const objects = extracted.objects.slice(start, start + extracted.groups[loads.length]!);
    loads.push(...((await call('loadObjects', { run, resource, objects })) as { status: string }[]));
  }
  const { extractId, inventory } = extracted;
  const { version } = (await call('publishResource', { run, resource, loads, ...(extractId && { extractId }), ...(inventory && { inventory }) } as never)) as { version: string }; // prettier-ignore
  return `${loads[0]!.status} ${version}`;
}

interface Extracted {
  readonly objects: readonly object[];
  /** All of one object here. */
  readonly groups: readonly number[];
  readonly extractId?: string;
  readonly inventory?: object;
  readonly reused?: { readonly version: string };
}

/** As Temporal keeps it: with its causes. */
function failureOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message, stack, cause } = error;
  return { message, stack, details: (error as { details?: unknown }).details, cause: failureOf(cause) };
}

/** Every value of plumbline's own tables that has the text, as `table.column`. */
async function columnsWith(text: string): Promise<string[]> {
  const { database } = bench.test;
  const columns = await database.query<{ table: string; column: string }>(
    `SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns WHERE table_schema = 'plumbline' ORDER BY 1, 2`,
  );
  const found: string[] = [];
  for (const { table, column } of columns) {
    const [hit] = await database.query(`SELECT FROM plumbline."${table}" WHERE "${column}"::text LIKE $1 LIMIT 1`, [
      `%${text}%`,
    ]);
    if (hit !== undefined) found.push(`${table}.${column}`);
  }
  return found;
}

/** Whole addresses, which a load needs, and nothing else. */
const MANIFEST = ['batch_objects.url', 'inventory.url', 'raw_objects.path', 'raw_pages.next_url', 'raw_pages.url'];

let first: Record<string, string>;
it('what is secret in an address is in the manifest alone: in no history, log, ledger or record', async () => {
  first = await loadAll();
  const staged = expect.stringMatching(/^staged /) as string;
  expect(first).toEqual({
    ...{ rates: staged, parsed: staged, bad: 'ELT_TOO_MANY_REJECTS', gone: 'ELT_HTTP_STATUS', user: 'ELT_HTTP_URL' },
    ...{ listed: staged, refused: staged, 'orders.orders': staged, 'warehouse.items': 'ELT_PG_UNREACHABLE' },
    ...(python && { 'script.rows': staged }),
  });
  expect(await bench.test.database.query('SELECT day FROM shop_dev_raw.parsed')).toEqual([{ day: '1' }]);
  expect([...history, ...lines].filter((one) => one.includes(CANARY))).toEqual([]);
  expect(history.join()).toContain(objectName(address('rates')));
  expect(await columnsWith(CANARY)).toEqual(MANIFEST);
  const [load] = await listLoads(bench.test.database, { env: 'dev', project: 'shop' }, { resource: 'rates', limit: 1 });
  expect(load?.path).toBe(`${server.url}/rates.csv?…`);
});

it('records of an older version get the names, and nothing that was loaded is loaded again', async () => {
  const { database } = bench.test;
  const addresses = ['rates', 'parsed', 'bad', 'one', 'two', 'gone', 'refuse'].map(address);
  const asBefore = (text: string): string => addresses.reduce((one, whole) => one.replaceAll(objectName(whole), whole), text); // prettier-ignore
  const columns =
    ['loads.path', 'loads.unit', 'loads.error', 'rejects.file', 'rejects.raw', 'run_steps.step', 'run_steps.reason', 'run_steps.result', 'run_steps.error'] // prettier-ignore
      .map((name) => name.split('.') as [string, string]);
  await database.execute('ALTER TABLE plumbline.loads DROP CONSTRAINT loads_of_an_older_worker');
  await database.execute('UPDATE plumbline.rejects SET reason = replace(reason, $1, $2)', [hideParameters(address('refuse')), address('refuse')]); // prettier-ignore
  const quoted = JSON.stringify({ message: `{"href": "${address('rates')}"}, ${address('rates')}0` });
  await database.execute(`UPDATE plumbline.run_steps SET error = $1 WHERE step = 'load:listed'`, [quoted]);
  for (const whole of addresses)
    for (const [table, column] of columns) {
      const type = /result|error/.test(column) ? 'jsonb' : 'text';
      await database.execute(`UPDATE plumbline.${table} SET ${column} = replace(${column}::text, $1, $2)::${type} WHERE ${column}::text LIKE '%' || $1 || '%'`, [objectName(whole), whole]); // prettier-ignore
    }
  const results = await database.query<{ fingerprint: string; inputs: Record<string, string>; result: unknown }>(
    'SELECT fingerprint, inputs, result FROM plumbline.step_results',
  );
  for (const { fingerprint: former, inputs, result } of results) {
    const old = JSON.parse(asBefore(JSON.stringify(inputs))) as Record<string, string>;
    await database.execute('UPDATE plumbline.step_results SET fingerprint = $2, inputs = $3, result = $4 WHERE fingerprint = $1', [former, fingerprint(old), JSON.stringify(old), asBefore(JSON.stringify(result))]); // prettier-ignore
  }
  const ofBefore = ['loads.path', 'loads.unit', 'rejects.file', 'rejects.raw', 'rejects.reason', 'run_steps.result', 'run_steps.step', 'step_results.inputs', 'step_results.result']; // prettier-ignore
  expect(await columnsWith(CANARY)).toEqual(expect.arrayContaining(ofBefore));
  const ledger = () => database.query('SELECT load_id, path, unit, status, generation FROM plumbline.loads ORDER BY 1');

  await database.execute('ALTER TABLE plumbline.resource_versions DROP COLUMN interval_column');
  await database.execute(await readFile('migrations/0044_object_names.sql', 'utf8'));
  expect(await columnsWith(CANARY)).toEqual(MANIFEST);
  expect(await database.query(`SELECT raw FROM plumbline.rejects WHERE raw LIKE 'http%'`)).toEqual([{ raw: objectName(address('refuse')) }]); // prettier-ignore
  const messages = await database.query(`SELECT error ->> 'message' AS message FROM plumbline.run_steps WHERE step = 'load:listed'`); // prettier-ignore
  expect(messages).toEqual([{ message: `{"href": "${objectName(address('rates'))}"}, ${objectName(`${address('rates')}0`)}` }]); // prettier-ignore
  // A worker of the older version that is still at work.
  const asOlder = database.execute(`UPDATE plumbline.loads SET path = $1 WHERE resource = 'rates'`, [address('rates')]);
  await expect(asOlder).rejects.toThrow('loads_of_an_older_worker');
  const before = await ledger();
  const { run } = await bench.open(`run-${++runs}`, ['elt']);
  const ends: Record<string, string> = {};
  const loaded = Object.keys(first).filter((resource) => first[resource]!.startsWith('staged'));
  for (const resource of loaded) ends[resource] = await load(run, resource);
  const versionOf = (end: string): string => end.replace('staged', 'reused');
  expect(ends).toEqual(Object.fromEntries(loaded.map((resource) => [resource, versionOf(first[resource]!)])));
  // What a worker of the older version had extracted when it was replaced.
  const { sha256 } = (
    await database.query<{ sha256: string }>(`SELECT sha256 FROM plumbline.loads WHERE resource = 'rates'`)
  )[0]!;
  const object = { path: address('rates'), sha256, bytes: 1, isUnchanged: true };
  expect(await bench.call('loadObjects', { run, resource: 'rates', objects: [object] })).toMatchObject([
    { path: objectName(address('rates')), status: 'already_loaded' },
  ]);
  expect(await ledger()).toEqual(before);
  const planned = await bench.call('explainPlan', { run });
  const reused = planned.lines.filter(({ action }) => action === 'reuse').map(({ step }) => step);
  expect(reused).toEqual(expect.arrayContaining(['load:rates', 'load:parsed', 'load:listed']));
  expect(JSON.stringify(planned)).not.toContain(CANARY);
  await bench.close(run);
});
