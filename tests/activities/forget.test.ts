import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { writeFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ErasureResult } from '../../src/contracts/erasure.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { listErasures, recordErasure } from '../../src/storage/erasures.js';
import { createWorkbench, type Workbench } from './workbench.js';

const ORDERS =
  'order_id,customer_id,note\r\n1,41,"a, ""quoted""\r\nline"\r\n2,42,"two\r\nlines, of 42"\r\n3,43,plain\r\n4,42,last';
const ORDERS_WITHOUT = 'order_id,customer_id,note\r\n1,41,"a, ""quoted""\r\nline"\r\n3,43,plain\r\n';
const VISITS = ['{"visit":1,"customer_id":41}', '{"visit":2, "customer_id":42}', '{"visit":3,"customer_id":"x42"}'];

const PROJECT = `name: shop
sources:
  orders: { path: data/orders.csv }
  visits: { path: data/visits.ndjson.gz, columns: { customer_id: text } }
  facts: { path: data/facts.parquet }
  letters: { path: data/letters.json, format: json }
  scores: { path: data/scores.csv, columns: { score: bigint }, max_rejected: 100% }
personal:
  customer_id:
    sources: { orders: customer_id, visits: customer_id, facts: customer, letters: customer_id, scores: customer_id }
    tables: { customers: customer_id, history: customer_id }
`;

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({
    'plumbline.yaml': PROJECT,
    'data/orders.csv': ORDERS,
    'data/visits.ndjson.gz': '',
    'data/letters.json': JSON.stringify([
      { customer_id: 42, letter: 'a' },
      { customer_id: 43, letter: 'b' },
    ]),
    'data/scores.csv': 'customer_id,score\n41,1\n42,bad\n43,bad\n44,4\n',
    'sql/customers.sql': `-- materialized: incremental\n-- unique_key: customer_id\nselect customer_id, count(*) as orders from {{ source('orders') }} group by 1`,
    'sql/totals.sql': `select count(*) as orders from {{ ref('customers') }}`,
    'sql/by_customer.sql': `select customer_id, orders from {{ ref('customers') }}`,
    'snapshots/history.sql': `-- unique_key: customer_id\n-- strategy: check\n-- check_cols: all\nselect * from {{ ref('customers') }}`,
  });
  writeFileSync(join(bench.root, 'data/visits.ndjson.gz'), gzipSync(`${VISITS.join('\n')}\n`));
  const duckdb = await (await DuckDBInstance.create()).connect();
  await duckdb.run(`COPY (SELECT * FROM (VALUES (42, 1.5::DECIMAL(9,2)), (43, 2.25), (NULL, 3)) AS t (customer, amount)) TO '${join(bench.root, 'data/facts.parquet')}'`); // prettier-ignore
  duckdb.closeSync();
  const { run, plan } = await bench.open('first', ['elt']);
  await bench.elt(run, plan);
  await bench.close(run);
  await quote();
  await bench.test.database.execute(
    `INSERT INTO plumbline.predictions (prediction_id, env, project, model, version, at, inputs, prediction)
     SELECT gen_random_uuid(), 'dev', 'shop', 'm', 1, now(), jsonb_build_object('customer_id', c), 1 FROM unnest(ARRAY[41, 42, 42]) AS c`,
  );
});
afterAll(() => bench.destroy());

const MESSAGE = `Test unique(customer_id) failed on 1 value, expected 0, e.g. {"customer_id":42,"name":"Ann"}.`;
const FAILED = {
  code: 'ELT_TEST_FAILED',
  message: MESSAGE,
  at: { file: 'sql/customers.sql', line: 42 },
  details: { table: 'customers', key: 42, tests: [{ failures: 2, sample: [{ c: 42 }] }] },
};

/** What programs printed and errors quoted of customer 42, and of 142. */
async function quote(): Promise<void> {
  const { database } = bench.test;
  const told = (text: string): string => `read ${text}\n`;
  await database.execute(
    `INSERT INTO plumbline.run_logs (run_id, step, first_line, lines, bytes, attempt, content) VALUES ('first', 'load:orders', 1, 3, 9, 1, $1)`,
    [`${told('142')}${told('{"customer_id":42}')}${told('4.2')}`],
  );
  await database.execute(`UPDATE plumbline.run_steps SET error = $1 WHERE run_id = 'first' AND step = 'load:orders'`, [JSON.stringify(FAILED)]); // prettier-ignore
  await database.execute(`UPDATE plumbline.transform_builds SET tests = $1 WHERE name = 'totals'`, [
    JSON.stringify([{ name: 'unique(42)', failures: 42, sample: [{ c: 42, name: 'Ann' }, { c: 142 }] }]),
  ]);
}
async function quoted(): Promise<unknown[]> {
  const [row] = await bench.test.database.query<Record<string, unknown>>(
    `SELECT (SELECT content FROM plumbline.run_logs) AS logs, (SELECT tests FROM plumbline.transform_builds WHERE name = 'totals') AS tests,
       (SELECT error FROM plumbline.run_steps WHERE run_id = 'first' AND step = 'load:orders') AS error`,
  );
  return Object.values(row!);
}

async function forget(erasureId: string, value: string, dryRun = false): Promise<ErasureResult> {
  const scope = { env: 'dev', project: 'shop', key: 'customer_id' };
  await recordErasure(bench.test.database, { ...scope, erasureId, value, dryRun, requestedBy: 'me', reason: 'asked' });
  return again(erasureId);
}
const again = async (erasureId: string): Promise<ErasureResult> => {
  const { env, project, bundle, root, searchAttributes } = await bench.ref('none');
  return bench.call('forgetKey', { env, project, bundle, root, searchAttributes, erasureId, key: 'customer_id' });
};

/** Customers of every table, by table. */
async function customers(): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  const tables = { 'raw.orders': '', 'raw.visits': '', 'raw.facts': 'customer', 'raw.letters': '', 'raw.scores': '', customers: '', history: '', by_customer: '' }; // prettier-ignore
  for (const [table, column] of Object.entries(tables)) {
    const name = table.startsWith('raw.') ? `shop_dev_raw.${table.slice(4)}` : `shop_dev.${table}`;
    const rows = await bench.test.database.query<{ c: string }>(`SELECT ${column || 'customer_id'}::text AS c FROM ${name} ORDER BY 1`); // prettier-ignore
    found[table] = rows.map(({ c }) => c);
  }
  return found;
}
const rawOf = async (path: string): Promise<string> => {
  const [row] = await bench.test.database.query<{ sha256: string }>('SELECT sha256 FROM plumbline.raw_objects WHERE path = $1', [path]); // prettier-ignore
  return row!.sha256;
};
const base = () => openDirectoryStore(join(bench.root, '.plumbline', 'store'));

describe('forgetting a key', () => {
  it('counts in a dry run and changes nothing', async () => {
    const before = await customers();
    const { erased } = await forget('dry', '42', true);
    expect(erased.map(({ kind, rows }) => [kind, rows])).toEqual([
      ['table', 1],
      ['table', 1],
      ['table', 1],
      ['table', 1],
      ['table', 2],
      ['table', 1],
      ['raw object', 1],
      ['raw object', 1],
      ['raw object', 2],
      ['raw object', 1],
      ['raw object', 1],
      ['quarantine', 1],
      ['predictions', 2],
      ['run logs', 1],
      ['messages', 1],
      ['messages', 1],
    ].sort((one, other) => (one[0]! < other[0]! ? 1 : -1)).map(([kind]) => [kind, expect.any(Number) as number])); // prettier-ignore
    expect(await customers()).toEqual(before);
    expect((await quoted())[2]).toEqual(FAILED);
    expect(await listErasures(bench.test.database, 'dev', 'shop')).toEqual([]);
  });

  it('deletes its rows everywhere, whatever it is stopped at, and counts each once', async () => {
    const originals = Object.fromEntries(await Promise.all(['orders.csv', 'visits.ndjson.gz', 'facts.parquet', 'letters.json'].map(async (name) => [name, await rawOf(`data/${name}`)] as const))); // prettier-ignore
    const scope = { env: 'dev', project: 'shop', key: 'customer_id' };
    await recordErasure(bench.test.database, {
      ...scope,
      erasureId: 'gone',
      value: '42',
      dryRun: false,
      requestedBy: 'me',
    });
    // Counted from the first attempt on.
    for (const at of [
      'before-commit=error@3',
      'after-commit=error@4',
      'before-commit=error@9',
      'after-commit=error@14',
    ]) {
      vi.stubEnv('PLUMBLINE_FAILPOINTS', `forget.${at}`);
      await expect(again('gone'), at).rejects.toThrow(`failpoint forget.${at.split('=')[0]}`);
    }
    vi.unstubAllEnvs();
    const report = await again('gone');
    expect(await customers()).toEqual({
      'raw.orders': ['41', '43'],
      'raw.visits': ['41', 'x42'],
      'raw.facts': ['43', null],
      'raw.letters': ['43'],
      'raw.scores': ['41', '44'],
      customers: ['41', '43'],
      history: ['41', '43'],
      by_customer: ['41', '43', '42'].sort(),
    });
    const counted = Object.fromEntries(report.erased.map(({ kind, place, rows }) => [`${kind} ${place.replace(/ \w{64}$/, '')}`, rows])); // prettier-ignore
    expect(counted).toEqual({
      'table shop_dev_raw.orders': 2,
      'table shop_dev_raw.visits': 1,
      'table shop_dev_raw.facts': 1,
      'table shop_dev_raw.letters': 1,
      'table shop_dev.customers': 1,
      'table shop_dev.history': 1,
      'raw object data/orders.csv': 2,
      'raw object data/visits.ndjson.gz': 1,
      'raw object data/facts.parquet': 1,
      'raw object data/letters.json': 1,
      'raw object data/scores.csv': 1,
      [Object.keys(counted).find((name) => name.startsWith('quarantine'))!]: 1,
      'predictions plumbline.predictions': 2,
      'run logs plumbline.run_logs': 1,
      'messages plumbline.run_steps error': 1,
      'messages plumbline.transform_builds tests': 1,
    });
    const note = '(taken out: it had a key that was forgotten)';
    expect(await quoted()).toEqual([
      `read 142\n${note}\nread 4.2\n`,
      [{ name: 'unique(42)', failures: 42, sample: [{ c: 142 }] }],
      { ...FAILED, message: note, details: { table: 'customers', key: note, tests: [] } },
    ]);
    expect(report.left.join('\n')).toContain('shop_dev.by_customer has 1 row with this customer_id');
    expect(await again('gone')).toEqual(report);

    expect(await readFile(await bench.store.localPath(originals['orders.csv']!), 'utf8')).toBe(ORDERS_WITHOUT);
    expect(gunzipSync(await bench.store.read(originals['visits.ndjson.gz']!)).toString()).toBe(
      `${VISITS[0]}\n${VISITS[2]}\n`,
    );
    for (const sha256 of Object.values(originals)) expect(await base().has(sha256)).toBe(false);
    expect(await bench.store.has(originals['letters.json']!)).toBe(false);
  });

  it('keeps no value in the record, and the counts of loads add up', async () => {
    const dump = await bench.test.database.query(`SELECT * FROM plumbline.erasures e LEFT JOIN plumbline.erased USING (erasure_id) WHERE erasure_id = 'gone'`); // prettier-ignore
    expect(JSON.stringify(dump.map((row) => ({ ...row, key_hash: '', place: '', row_count: 0, report: '', requested_at: '', ended_at: '' })))).not.toMatch(/\b42\b/); // prettier-ignore
    expect(await listErasures(bench.test.database, 'dev', 'shop')).toMatchObject([{ erasure_id: 'gone', key_hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string, rows: 19 }]); // prettier-ignore
    const loads = await bench.test.database.query(`SELECT resource, rows_loaded::int AS loaded, rows_rejected::int AS rejected, rows_forgotten::int AS forgotten FROM plumbline.loads ORDER BY 1`); // prettier-ignore
    expect(loads).toEqual([
      { resource: 'facts', loaded: 2, rejected: 0, forgotten: 1 },
      { resource: 'letters', loaded: 1, rejected: 0, forgotten: 1 },
      { resource: 'orders', loaded: 2, rejected: 0, forgotten: 2 },
      { resource: 'scores', loaded: 2, rejected: 1, forgotten: 1 },
      { resource: 'visits', loaded: 2, rejected: 0, forgotten: 1 },
    ]);
  });

  it('a full refresh from sources that still have it does not bring it back', async () => {
    const { run, plan } = await bench.open('refresh', ['elt'], { force: true });
    const { loads } = await bench.elt(run, plan);
    await bench.close(run);
    const found = await customers();
    for (const [table, values] of Object.entries(found)) expect(values, table).not.toContain('42');
    // Objects that were rewritten do not have it; the one that was deleted was fetched again.
    const letters = loads.find(({ resource }) => resource === 'letters')!;
    expect(letters).toMatchObject({
      rowsRead: 2,
      rowsLoaded: 1,
      notices: ['Rows of forgotten keys that were taken out: 1.'],
    });
    expect(await base().has(await rawOf('data/orders.csv'))).toBe(false);
  });

  it('a changed file that still has it is loaded without it, and its quarantined rows too', async () => {
    await bench.write({ 'data/scores.csv': 'customer_id,score\n42,1\n42,bad\n45,bad\n46,6\n42,7,x\n142,7,x\n' });
    const { run, plan } = await bench.open('changed', ['elt']);
    await bench.elt(run, plan);
    await bench.close(run);
    expect((await customers())['raw.scores']).toEqual(['46']);
    const [load] = await bench.test.database.query(`SELECT rows_read::int AS read, rows_loaded::int AS loaded, rows_rejected::int AS rejected, rows_forgotten::int AS forgotten FROM plumbline.loads WHERE resource = 'scores' ORDER BY load_id DESC LIMIT 1`); // prettier-ignore
    expect(load).toEqual({ read: 6, loaded: 1, rejected: 3, forgotten: 2 });
    const texts = await bench.test.database.query(`SELECT raw FROM plumbline.rejects WHERE load_id = (SELECT max(load_id) FROM plumbline.loads WHERE resource = 'scores') ORDER BY row_number`); // prettier-ignore
    expect(texts).toEqual([{ raw: '["45","bad"]' }, { raw: null }, { raw: '142,7,x' }]);
  });

  it('another key of the same files goes too, and what the first one left of them', async () => {
    const sha256 = await rawOf('data/orders.csv');
    const [before] = await bench.test.database.query<{ replacement: string }>('SELECT replacement FROM plumbline.redactions WHERE sha256 = $1', [sha256]); // prettier-ignore
    await forget('second', '43');
    expect(await readFile(await bench.store.localPath(sha256), 'utf8')).toBe(
      ORDERS_WITHOUT.replace('3,43,plain\r\n', ''),
    );
    expect(await base().has(before!.replacement)).toBe(false);
  });

  it('waits for a run in progress', async () => {
    const { run } = await bench.open('busy', ['elt']);
    await expect(forget('waits', '41')).rejects.toMatchObject({ cause: { code: 'RUN_LEASE_HELD', terminal: false } });
    await bench.close(run);
    expect((await again('waits')).erased.length).toBeGreaterThan(3);
  });
});
