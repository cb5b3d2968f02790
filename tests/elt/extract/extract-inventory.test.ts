import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { extractInventory, type InventoryExtractOptions } from '../../../src/elt/extract/extract-inventory.js';
import { compileInventory } from '../../../src/elt/inventory/compile-inventory.js';
import { loadObject } from '../../../src/elt/load/load-object.js';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { startApiServer, type ApiServer } from '../../support/api-server.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from '../load/workbench.js';

let bench: Workbench;
let api: ApiServer;
beforeAll(async () => {
  bench = await openWorkbench();
  api = await startApiServer((_request, response) => void response.end());
  await bench.database.execute(
    `CREATE SCHEMA demo_dev_raw; CREATE TABLE demo_dev_raw.listing (name text, day date, big bigint)`,
  );
});
afterAll(async () => {
  await api.close();
  await bench.close();
});

let tests = 0;
beforeEach(async () => {
  tests++;
  api.requests.length = 0;
  api.received.length = 0;
  await bench.database.execute('TRUNCATE demo_dev_raw.listing, plumbline.rate_limits');
});

/** Files `names` are expected; a resource of its own for each test. */
async function expectFiles(
  names: readonly string[],
  more: Partial<ResourceConfig['inventory']> = {},
): Promise<ResourceConfig> {
  for (const name of names)
    await bench.database.execute(`INSERT INTO demo_dev_raw.listing VALUES ($1, '2024-02-29', 9007199254740993)`, [
      name,
    ]);
  const sql = `SELECT '${api.url}/${tests}/' || name AS url, name, day, big FROM {{ source('listing') }} ORDER BY name`;
  return resourceOf({
    id: `files${tests}`,
    source: `files${tests}`,
    table: `files${tests}`,
    path: 'inventory/files.sql',
    allowPrivate: true,
    inventory: { query: { name: 'files', file: 'inventory/files.sql', sql }, headers: {}, intervalMs: 0, maxMissingShare: 0, ...more }, // prettier-ignore
  });
}

const listing = resourceOf({ id: 'listing', source: 'listing', table: 'listing', path: 'x.csv' });

function optionsOf(resource: ResourceConfig, runId = 'run-1'): InventoryExtractOptions {
  const project = { schemas, transforms: [], resources: [listing, resource], vars: {}, macros: [] };
  const { database, store, root } = bench;
  return {
    database, store, root, env: 'dev', project: 'demo', resource, runId, environment: {},
    inventory: compileInventory(project, resource), pausesMs: [1, 1], timeoutMs: 400,
  }; // prettier-ignore
}

async function load(resource: ResourceConfig, runId = 'run-1') {
  const base = { database: bench.database, store: bench.store, env: 'dev', project: 'demo', schemas, resource, runId };
  const extract = await extractInventory(optionsOf(resource, runId));
  const loads = [];
  for (const object of extract.objects) loads.push(await loadObject({ ...base, object }));
  await publishResource({ ...base, loads });
  return { ...extract, loads };
}

const asked = (): string[] => api.requests.map((line) => line.replace(/^GET \/\d+\//, ''));

test('rows get the columns of the inventory, and only what is new is fetched', async () => {
  const resource = await expectFiles(['b.csv', 'a.csv']);
  api.answer = (_request, response, url) => void response.end(`id,constructor\n${url.pathname.length},x\n`);
  await load(resource);
  await bench.database.execute(`INSERT INTO demo_dev_raw.listing VALUES ('c.csv', NULL, 1)`);
  const second = await load(resource, 'run-2');
  expect(asked().sort()).toEqual(['a.csv', 'b.csv', 'c.csv']);
  expect(second).toMatchObject({ expected: 3, fetched: 1, missing: [] });
  expect(second.loads.map(({ status }) => status)).toEqual(['already_loaded', 'already_loaded', 'staged']);
  const rows = await bench.rows(resource.table, 'id::text, name, day::text, big::text, pg_typeof(day)::text AS type');
  const row = { id: '8', day: '2024-02-29', big: '9007199254740993', type: 'date' };
  expect(rows).toEqual([{ ...row, name: 'a.csv' }, { ...row, name: 'b.csv' }, { ...row, name: 'c.csv', day: null, big: '1' }]); // prettier-ignore
  // What is said of an object is part of what is loaded; what is no longer named goes.
  await bench.database.execute(`UPDATE demo_dev_raw.listing SET big = 2 WHERE name = 'a.csv'; DELETE FROM demo_dev_raw.listing WHERE name = 'b.csv'`); // prettier-ignore
  await load(resource, 'run-3');
  expect(await bench.rows(resource.table, 'name, big::text')).toEqual([{ name: 'c.csv', big: '1' }, { name: 'a.csv', big: '2' }]); // prettier-ignore
  expect(api.requests).toHaveLength(3);
});

test('cut, silent, busy and packed answers come whole, each object once', async () => {
  const resource = await expectFiles(['busy', 'cut', 'fast', 'gzip', 'silent'].map((name) => `${name}.csv`), { intervalMs: 1 }); // prettier-ignore
  const faults = new Set(['busy', 'cut', 'fast', 'silent']);
  const body = 'id\n1\n2\n';
  api.answer = (request, response, url) => {
    const fault = /(\w+)\.csv$/.exec(url.pathname)![1]!;
    if (fault === 'gzip') return void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body));
    if (!faults.delete(fault)) return void response.end(body);
    if (fault === 'busy') return void response.writeHead(503, { 'retry-after': '0' }).end();
    if (fault === 'fast') return void response.writeHead(403).end();
    response.writeHead(200, { 'content-length': body.length }).write('id\n1\n');
    if (fault === 'cut') setTimeout(() => request.socket.destroy(), 10);
  };
  const { fetched } = await load(resource);
  expect(fetched).toBe(5);
  expect(asked().sort()).toEqual(['busy', 'busy', 'cut', 'cut', 'fast', 'fast', 'gzip', 'silent', 'silent'].map((name) => `${name}.csv`)); // prettier-ignore
  expect(await bench.rows(resource.table, 'id')).toHaveLength(10);
});

test('what is gone is counted, asked for once a run, and too much of it fails the load', async () => {
  const resource = await expectFiles(['a.csv', 'b.csv', 'gone.csv'], { maxMissingShare: 0.4 });
  api.answer = (_request, response, url) => void response.writeHead(url.pathname.includes('gone') ? 410 : 200).end('id\n1\n'); // prettier-ignore
  const { missing } = await load(resource);
  expect(missing).toEqual([`${api.url}/${tests}/gone.csv`]);
  const strict = { ...resource, inventory: { ...resource.inventory!, maxMissingShare: 0.3 } };
  await expect(load(strict)).rejects.toMatchObject({ code: 'ELT_INVENTORY_MISSING', details: { missing: 1, expected: 3 } }); // prettier-ignore
  expect(asked().sort()).toEqual(['a.csv', 'b.csv', 'gone.csv']);
  await load(resource, 'run-2');
  expect(asked()).toHaveLength(4);
  expect(await bench.database.query('SELECT url, http_status FROM plumbline.inventory WHERE sha256 IS NULL')).toEqual([{ url: missing[0], http_status: 410 }]); // prettier-ignore
});

test('secrets go by reference; a refusal names what to do, and keeps what came', async () => {
  const resource = await expectFiles(['a.csv', 'b.csv'], { headers: { 'X-Key': 'env:KEY' } });
  api.answer = (request, response, url) => {
    const isAllowed = request.headers['x-key'] === 's3cret' && !url.pathname.endsWith('b.csv');
    response.writeHead(isAllowed ? 200 : 403).end('id\n1\n');
  };
  const options = { ...optionsOf(resource), environment: { PLUMBLINE_PROJECT_ENV: '*', KEY: 's3cret' } };
  await expect(extractInventory(options)).rejects.toMatchObject({ code: 'ELT_HTTP_STATUS', next: expect.stringContaining('User-Agent') as string }); // prettier-ignore
  expect(asked().sort()).toEqual(['a.csv', 'b.csv']);
  api.answer = (_request, response) => void response.end('id\n1\n');
  await extractInventory(options);
  expect(asked().sort()).toEqual(['a.csv', 'b.csv', 'b.csv']);
  await expect(extractInventory({ ...options, environment: { PLUMBLINE_PROJECT_ENV: '*' }, force: true, runId: 'run-2' })).rejects.toMatchObject({ code: 'ELT_SECRET_MISSING' }); // prettier-ignore
});

test('--force fetches anew, and what it had fetched before it was killed not again', async () => {
  const resource = await expectFiles(['a.csv', 'b.csv']);
  api.answer = (_request, response) => void response.end('id\n1\n');
  await extractInventory(optionsOf(resource));
  const forced = { ...optionsOf(resource, 'run-2'), force: true };
  expect(await extractInventory(forced)).toMatchObject({ fetched: 2 });
  expect(await extractInventory(forced)).toMatchObject({ fetched: 0 });
});

test.each([
  ["SELECT 'https://x' AS url WHERE false", 'ELT_SOURCE_EMPTY'],
  ["SELECT 'https://x/' || n AS url FROM generate_series(1, 2001) AS n", 'ELT_INVENTORY_TOO_LARGE'],
  ["SELECT 'ftp://x' AS url", 'ELT_INVENTORY_URL'],
  ['SELECT 1 AS id', 'ELT_INVENTORY_URL'],
  ['SELECT nothing AS url', 'ELT_SQL_ERROR'],
  ["SELECT set_config('transaction_read_only', 'off', true) AS url", 'ELT_SQL_ERROR'],
  ["SELECT '1' AS url; DROP TABLE demo_dev_raw.listing", 'ELT_SQL_NOT_A_SELECT'],
])('%s is no inventory', async (sql, code) => {
  const resource = await expectFiles([]);
  const wrong = { ...resource, inventory: { ...resource.inventory!, query: { ...resource.inventory!.query, sql } } };
  await expect((async () => extractInventory(optionsOf(wrong)))()).rejects.toMatchObject({ code });
});

test('an extract that is killed goes on with the objects that had not come', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `${String(index).padStart(2, '0')}.csv`);
  const resource = await expectFiles(names);
  const killed = startProcess(resource);
  // The eighth answer never comes: by then the process is gone.
  api.answer = (_request, response) => {
    if (api.requests.length < 8) response.end('id\n1\n');
    else if (api.requests.length === 8) killed.kill('SIGKILL');
  };
  await once(killed, 'exit');
  const landed = await bench.database.query<{ name: string }>(`SELECT right(url, 6) AS name FROM plumbline.inventory WHERE resource = $1 AND sha256 IS NOT NULL`, [resource.id]); // prettier-ignore
  expect(landed.length).toBeGreaterThan(0);
  const before = api.requests.length;
  api.answer = (_request, response) => void response.end('id\n1\n');
  expect(await load(resource)).toMatchObject({ expected: 12, fetched: 12 - landed.length });
  const again = asked().slice(before);
  expect(again.sort()).toEqual(names.filter((name) => !landed.some((one) => one.name === name)));
  expect(await bench.rows(resource.table, 'name')).toHaveLength(12);
});

function startProcess(resource: ResourceConfig) {
  const { url, storeFolder, root } = bench;
  const { inventory, runId } = optionsOf(resource);
  const settings = JSON.stringify({ url, storeFolder, root, resource, inventory, runId });
  const program = new URL('inventory-process.mjs', import.meta.url).pathname;
  return spawn(process.execPath, [program, settings], { stdio: 'inherit' });
}

test('a web page in place of an object is refused', async () => {
  const resource = await expectFiles(['a.csv']);
  api.answer = (_request, response) => void response.end('<!-- gate --><!DOCTYPE html><p>log in</p>');
  await expect(extractInventory(optionsOf(resource))).rejects.toMatchObject({ code: 'ELT_HTTP_PAGE' });
});

test('an object at a private address is refused unless the source allows it, and one that unpacks to far too much', async () => {
  const { allowPrivate: _, ...guarded } = await expectFiles(['a.csv']);
  await expect(extractInventory(optionsOf(guarded))).rejects.toMatchObject({ code: 'ELT_HTTP_ADDRESS_REFUSED' });
  expect(api.requests).toEqual([]);
  const bomb = gzipSync(Buffer.alloc(80 << 20));
  api.answer = (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
  await expect(extractInventory(optionsOf({ ...guarded, allowPrivate: true }))).rejects.toMatchObject({ code: 'ELT_FILE_BOMB' }); // prettier-ignore
});
