import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ErasureResult } from '../../src/contracts/erasure.js';
import { forgetKey } from '../../src/elt/forget/forget-key.js';
import type { SharedStore } from '../../src/model/artifact.js';
import { loadProject } from '../../src/project/load-project.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { recordErasure } from '../../src/storage/erasures.js';
import { createWorkbench, type Workbench } from './workbench.js';

// What forgetting one person must leave of others, and where the person must not come back from.
const PROJECT = `name: shop
sources:
  orders: { path: orders.csv, columns: { customer_id: bigint, units: bigint }, max_rejected: 100% }
  visits: { path: visits.ndjson, columns: { customer_id: bigint, n: bigint }, max_rejected: 100% }
  facts: { path: facts.parquet.gz }
  codes: { path: codes.csv, columns: { code: text } }
  lists: { path: lists/*.csv }
personal:
  customer_id:
    sources: { orders: customer_id, visits: customer_id, facts: customer_id, lists: customer_id }
  code:
    sources: { codes: code }
    tables: { short: code }
`;
let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({
    'plumbline.yaml': PROJECT,
    'orders.csv': 'customer_id,units,note\n41,1,x\n42,2,x\n43,bad,at 42\n42,bad,x\n44,bad,x\n',
    'visits.ndjson':
      '{"customer_id":41,"n":1}\n{"customer_id":43,"n":"at 42"}\n{"customer_id":42,"n":"bad"}\n{"customer_id":44,"n":"bad"}\n',
    'codes.csv': 'code\n420\n4200\n0420\n',
    'lists/a.csv': 'customer_id,day\n42,1\n43,1\n44,1\n',
    'lists/b.csv': 'customer_id,day\n42,2\n43,1\n44,1\n',
    'sql/short.sql': `-- materialized: incremental\n-- unique_key: row\nSELECT row_number() OVER (ORDER BY code) AS row, code::varchar(3) AS code FROM {{ source('codes') }}`,
  });
  const facts = join(bench.root, 'facts.parquet');
  await parquet(facts, '(42), (43)');
  await writeFile(`${facts}.gz`, gzipSync(await readFile(facts)));
  await run('first');
});
afterAll(() => bench.destroy());

async function parquet(path: string, values: string): Promise<void> {
  const duckdb = await (await DuckDBInstance.create()).connect();
  await duckdb.run(`COPY (SELECT * FROM (VALUES ${values}) AS t (customer_id)) TO '${path}'`);
  duckdb.closeSync();
}
async function run(runId: string, more: object = {}): Promise<void> {
  const { run: ref, plan } = await bench.open(runId, ['elt'], more);
  await bench.elt(ref, plan);
  await bench.close(ref);
}
const scope = { env: 'dev', project: 'shop', requestedBy: 'me', dryRun: false };
let erasures = 0;
async function forget(key: string, value: string): Promise<ErasureResult> {
  const erasureId = `erasure${++erasures}`;
  await recordErasure(bench.test.database, { ...scope, key, erasureId, value });
  const { env, project, bundle, root, searchAttributes } = await bench.ref('none');
  return bench.call('forgetKey', { env, project, bundle, root, searchAttributes, erasureId, key });
}
/** The same without the project's lease, on a store of one's own. */
async function forgetOn(store: SharedStore, erasureId: string): Promise<ErasureResult> {
  const project = await loadProject({ root: bench.root, env: 'dev' });
  return forgetKey({ database: bench.test.database, store, project, erasureId, fence: () => Promise.resolve() });
}
const execute = (sql: string, ...parameters: unknown[]) => bench.test.database.execute(sql, parameters);
async function column(sql: string): Promise<string[]> {
  const rows = await bench.test.database.query<{ v: string }>(sql);
  return rows.map(({ v }) => v);
}
const predict = (inputs: object) =>
  execute(
    `INSERT INTO plumbline.predictions (prediction_id, env, project, model, version, at, inputs, prediction)
     VALUES (gen_random_uuid(), 'dev', 'shop', 'm', 1, now(), $1, 1)`,
    JSON.stringify(inputs),
  );
const predictions = () => column('SELECT inputs::text AS v FROM plumbline.predictions ORDER BY 1');
const objectOf = async (path: string): Promise<string> =>
  (
    await column(`SELECT sha256 AS v FROM plumbline.raw_objects WHERE path = '${path}' ORDER BY seen_at DESC LIMIT 1`)
  )[0]!;
const base = () => openDirectoryStore(join(bench.root, '.plumbline', 'store'));
const rejects = () =>
  column(`SELECT raw AS v FROM plumbline.rejects WHERE kind = 'rejected' ORDER BY load_id, row_number`);

it('a text that a cast would cut down, or a number that it would round, is nobody else', async () => {
  await predict({ code: '420' });
  await predict({ code: '0420' });
  await forget('code', '0420');
  expect(await predictions()).toEqual(['{"code": "420"}']);
  await forget('code', '4200');
  expect(await column('SELECT code AS v FROM shop_dev_raw.codes')).toEqual(['420']);
  expect(await column('SELECT code AS v FROM shop_dev.short ORDER BY row')).toEqual(['042', '420', '420']);
  const { erased } = await forget('customer_id', '42.4');
  expect(erased).toEqual([]);
});

it('leaves the quarantined rows of others, whatever is in them, and takes the key in whatever way it was written', async () => {
  expect(await rejects()).toHaveLength(6);
  await predict({ customer_id: 42 });
  await predict({ customer_id: '42' });
  await predict({ customer_id: 420 });
  const { erased } = await forget('customer_id', '042');
  expect(erased).toContainEqual(expect.objectContaining({ kind: 'raw object', rows: 1, place: expect.stringContaining('facts.parquet.gz') as string })); // prettier-ignore
  expect(await predictions()).toEqual(['{"code": "420"}', '{"customer_id": 420}']);
  expect(await rejects()).toEqual(['["43","bad","at 42"]', '["44","bad","x"]', '["43","at 42"]', '["44","bad"]']);
  for (const table of ['orders', 'facts', 'lists'])
    expect(await column(`SELECT customer_id::text AS v FROM shop_dev_raw.${table}`), table).not.toContain('42');
  await bench.write({ 'orders.csv': 'customer_id,units,note\n42,9,back\n41,bad,x\n45,1,x\n' });
  await run('back');
  expect(await column('SELECT customer_id::text AS v FROM shop_dev_raw.orders')).toEqual(['45']);
});

it('rows that were corrected do not bring it back, and are looked into', async () => {
  const [loadId] = await column(`SELECT max(load_id)::text AS v FROM plumbline.loads WHERE resource = 'orders'`);
  const path = join(bench.root, 'fixed.csv');
  await writeFile(path, '_row_number,_reason,customer_id,units,note\n2,,42,5,back\n');
  const { sha256 } = await base().putFile(path);
  const file = { name: 'fixed.csv', sha256 };
  const { run: ref } = await bench.open('fix', ['elt'], { rejects: { loadId: loadId!, resource: 'orders', file } });
  await bench.call('retryRejects', { run: ref });
  await bench.close(ref);
  expect(await column('SELECT customer_id::text AS v FROM shop_dev_raw.orders')).toEqual(['45']);
  expect(await column(`SELECT concat_ws(' ', rows_read, rows_loaded, rows_rejected, rows_forgotten) AS v FROM plumbline.loads WHERE load_id = ${loadId!}`)).toEqual(['3 1 0 2']); // prettier-ignore
  const { erased } = await forget('customer_id', '42');
  expect(erased.map(({ place }) => place)).toContain(`corrected rows of load ${loadId!} ${sha256}`);
  expect(await base().has(sha256)).toBe(false);
});

it('two objects that were rewritten to the same stay readable when the next one is forgotten', async () => {
  const [a, b] = [await objectOf('lists/a.csv'), await objectOf('lists/b.csv')];
  const text = async (sha256: string): Promise<string> => readFile(await bench.store.localPath(sha256), 'utf8');
  expect(await text(a)).toBe('customer_id,day\n43,1\n44,1\n');
  expect(await text(b)).toBe(await text(a));
  await forget('customer_id', '43');
  // What this process remembers of redactions is seconds old at most; a new one remembers nothing.
  const known = await column(`SELECT replacement AS v FROM plumbline.redactions WHERE sha256 IN ('${a}', '${b}')`);
  for (const sha256 of known) expect((await base().read(sha256)).toString()).toBe('customer_id,day\n44,1\n');
  expect(known).toHaveLength(2);
});

it('leaves the training set of a model of another environment', async () => {
  const path = join(bench.root, 'set.parquet');
  await parquet(path, '(44.0::DOUBLE), (45)');
  const { sha256: set } = await base().putFile(path);
  await execute(`INSERT INTO plumbline.step_results (env, project, step, fingerprint, inputs, result, run_id) VALUES ('dev', 'shop', 'features:main', 'f', '{}', $1, 'r')`, JSON.stringify({ trainingSet: { artifact: { sha256: set } } })); // prettier-ignore
  await execute(
    `INSERT INTO plumbline.model_versions SELECT (jsonb_populate_record(NULL::plumbline.model_versions, $1)).*`,
    JSON.stringify({ env: 'prod', project: 'shop', model: 'm', version: 1, digest: 'd', onnx: 'o', onnx_bytes: 1, signature: {}, task: 't', metrics: {}, baselines: {}, gates: [], parity: {}, training_set: {}, training_set_sha256: set, parameters: {}, seed: 1, assumptions: [], model_card: '', run_id: 'p', bundle: 'b', created_at: new Date() }), // prettier-ignore
  );
  const { left } = await forget('customer_id', '44');
  expect(left.join('\n')).toContain('m v1 of shop (prod) learned from 1 of the rows');
  expect(await base().has(set)).toBe(true);
});

it('a training set is counted once, wherever the deletion is stopped', async () => {
  const path = join(bench.root, 'own.parquet');
  await parquet(path, '(77), (77), (78)');
  const { sha256: set } = await base().putFile(path);
  await execute(`INSERT INTO plumbline.step_results (env, project, step, fingerprint, inputs, result, run_id) VALUES ('dev', 'shop', 'features:own', 'f', '{}', $1, 'r')`, JSON.stringify({ trainingSet: { artifact: { sha256: set } } })); // prettier-ignore
  await recordErasure(bench.test.database, { ...scope, key: 'customer_id', erasureId: 'set', value: '77' });
  const sweep: SharedStore['sweep'] = async (objects, ...rest) => {
    if (objects.some(({ sha256 }) => sha256 === set)) throw new Error('stopped');
    return base().sweep(objects, ...rest);
  };
  await expect(forgetOn({ ...base(), sweep }, 'set')).rejects.toThrow('stopped');
  const { erased } = await forgetOn(base(), 'set');
  expect(erased).toEqual([{ kind: 'training set', place: `own ${set}`, rows: 2, outcome: 'deleted' }]);
  expect(await base().has(set)).toBe(false);
});

it('an original that the project fetches again, after one that froze had rewritten it, stays', async () => {
  const path = join(bench.root, 'orders.csv');
  await writeFile(path, 'customer_id,units,note\n88,1,x\n');
  await run('to be rewritten');
  const original = await objectOf('orders.csv');
  await recordErasure(bench.test.database, { ...scope, key: 'customer_id', erasureId: 'frozen', value: '88' });
  const sweep: SharedStore['sweep'] = async (objects, ...rest) => {
    // A file's time is milliseconds late; whoever takes over comes half a minute later.
    await sleep(50);
    // Of nothing but the person's rows, the object was gone for the project.
    if (objects.some(({ sha256 }) => sha256 === original)) await bench.store.putFile(path);
    return base().sweep(objects, ...rest);
  };
  await forgetOn({ ...base(), sweep }, 'frozen');
  expect(await bench.store.has(original)).toBe(true);
  expect(await bench.store.read(original)).toEqual(await readFile(path));
});

it('a reason that a program or PostgreSQL gave for a row loses the key, one of ours keeps its numbers, and no row is lost', async () => {
  const [loadId] = await column(`SELECT max(load_id)::text AS v FROM plumbline.loads WHERE resource = 'lists'`);
  const reasons = { 901: 'PostgreSQL: invalid input "customer 2"', 902: 'expected 2 fields, got 3', 904: 'PostgreSQL: "2"', 903: 'PostgreSQL: invalid input "customer 12"' }; // prettier-ignore
  for (const [row, reason] of Object.entries(reasons))
    await execute(
      `INSERT INTO plumbline.rejects (load_id, row_number, kind, file, line, column_name, value, reason, raw) VALUES ($1, $2, 'rejected', 'lists/a.csv', 1, NULL, NULL, $3, $4)`,
      loadId, row, reason, row === '904' ? 'of 2' : 'text',
    ); // prettier-ignore
  const { erased } = await forget('customer_id', '2');
  expect(erased).toMatchObject([{ kind: 'quarantine', rows: 2 }]);
  expect(await column(`SELECT concat_ws(', ', reason, raw) AS v FROM plumbline.rejects WHERE load_id = ${loadId!} ORDER BY row_number`)).toEqual([
    '(taken out: it had a key that was forgotten), text',
    'expected 2 fields, got 3, text',
    'PostgreSQL: invalid input "customer 12", text',
    '(taken out: it had a key that was forgotten)',
  ]); // prettier-ignore
});

it('a raw object with a value that a contract refuses is looked into like any other', async () => {
  const of = (more: string): string => PROJECT.replace('personal:\n', `  marks: { path: marks.csv, encoding: latin-1, csv: { decimal: ',' }, columns: { v: numeric }, max_rejected: 100%${more} }\npersonal:\n  member: { sources: { marks: member } }\n`); // prettier-ignore
  await bench.write({ 'plumbline.yaml': of(''), 'marks.csv': 'member;v\n7;1,5\n8;1,5\n9;1.5\n' });
  await run('marks');
  await bench.write({ 'plumbline.yaml': of(', contract: { types: freeze }') });
  const { erased, left } = await forget('member', '7');
  expect(left.join()).not.toContain('could not be read');
  expect(erased).toContainEqual(expect.objectContaining({ kind: 'raw object', rows: 1, place: expect.stringContaining('marks.csv') as string })); // prettier-ignore
});
