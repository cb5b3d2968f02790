import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { resourceExists } from '../../../src/activities/table-exists.js';
import { whatIsLeft } from '../../../src/elt/forget/what-is-left.js';
import { retryRejects } from '../../../src/elt/load/retry-rejects.js';
import type { Database, Session } from '../../../src/model/database.js';
import type { ChildConfig, ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from '../load/workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());
afterEach(() => {
  delete process.env['PLUMBLINE_FAILPOINTS'];
});

const child = (table: string, field: string, more: Partial<ChildConfig> = {}): ChildConfig => ({
  field,
  table: `${table}_${field}`,
  columns: {},
  ...more,
});

function nested(
  table: string,
  fields: readonly ChildConfig[] | undefined,
  more: Partial<ResourceConfig> = {},
): ResourceConfig {
  return resourceOf({ id: table, source: table, table, path: `${table}.ndjson`, ...(fields && { children: fields }), ...more }); // prettier-ignore
}

let runs = 0;
const put = (path: string, rows: readonly object[]) =>
  bench.write(path, rows.map((row) => JSON.stringify(row)).join('\n'));
async function load(resource: ResourceConfig, rows: readonly object[], path = resource.path) {
  await put(path, rows);
  return bench.run(resource, { runId: `run-${++runs}` });
}

/** `columns` of each row as one text; NULL is `-`. */
async function texts(table: string, columns: string): Promise<string[]> {
  const list = columns.split(', ').map((column) => `coalesce(${column}::text, '-')`);
  const found = await bench.database.query<{ row: string }>(
    `SELECT concat_ws(' ', ${list.join(', ')}) AS row FROM ${schemas.raw}."${table}" ORDER BY 1`,
  );
  return found.map(({ row }) => row);
}

/** What the ledger says of a load's child tables. */
async function childRows(loadId: string): Promise<number[]> {
  const [line] = await bench.database.query<{ rows: number[] }>(
    `SELECT jsonb_path_query_array(reader, '$.children[*].rows') AS rows FROM plumbline.loads WHERE load_id = $1`,
    [loadId],
  );
  return line!.rows;
}

const base = () => ({ database: bench.database, env: 'dev', project: 'demo', schemas });

/** Joined, 4,000 rows of one key and their 20,000 elements would be compared 80 million times, for minutes. */
test('a merge key of many rows is replaced in a time that grows with them', { timeout: 25_000 }, async () => {
  const days = nested('days', [child('days', 'items')], { write: 'merge', merge: { strategy: 'delete-insert', key: ['day'] } }); // prettier-ignore
  const rows = (round: number) =>
    Array.from({ length: 4_000 }, (_, i) => ({ day: 1, i, round, items: [i, i + 1, i + 2, i + 3, round] }));
  await load(days, rows(1));
  const { published } = await load(days, rows(2));
  expect(published).toMatchObject({ rows: 4_000, children: [{ rows: 20_000 }] });
  expect(await bench.database.query(`SELECT DISTINCT round FROM ${schemas.raw}.days`)).toEqual([{ round: '2' }]);
});

test('files of one merge whose keys are of other types', async () => {
  const mixed = nested('mix', [child('mix', 'items')], { write: 'merge', primaryKey: ['id'], path: 'mix/*.ndjson' });
  await put('mix/a.ndjson', [{ id: 1, items: ['a'] }]);
  await put('mix/b.ndjson', [{ id: 'x', items: ['b'] }]);
  await bench.run(mixed, { runId: 'mixed' });
  await load(mixed, [{ id: 1, items: ['a', 'c'] }], 'mix/a.ndjson');
  expect(await texts('mix_items', '_parent_id, value')).toEqual(['1 a', '1 c', 'x b']);
});

test('children that were taken out for a while have no rows from before', async () => {
  const fields = [child('away', 'items')];
  const row = { id: 1, items: [1, 2] };
  for (const children of [fields, undefined, fields]) await load(nested('away', children, { write: 'append' }), [row]);
  expect(await texts('away', 'id')).toEqual(['1']);
  expect(await texts('away_items', 'value')).toEqual(['1', '2']);
  // Under another name meanwhile.
  const other = [child('away', 'items', { table: 'away_other' })];
  for (const children of [other, fields]) await load(nested('away', children, { write: 'append' }), [row]);
  expect(await texts('away_items', 'value')).toEqual(['1', '2']);
  const merged = { write: 'merge', primaryKey: ['id'], merge: { strategy: 'upsert', hardDelete: 'gone' } } as const;
  const first = [
    { id: 1, gone: false, items: [1, 2] },
    { id: 2, gone: false, items: [3] },
  ];
  await load(nested('deleted', [child('deleted', 'items')], merged), first);
  await load(nested('deleted', undefined, merged), [{ id: 2, gone: true, items: [3] }]);
  await load(nested('deleted', [child('deleted', 'items')], merged), first.slice(0, 1));
  expect(await texts('deleted_items', '_parent_id, value')).toEqual(['1 1', '1 2']);
});

test('a child table is there in full only when the newest load has brought its elements', async () => {
  const more = { write: 'append', path: 'full/*.ndjson' } as const;
  const [whole, without] = [nested('full', [child('full', 'items')], more), nested('full', undefined, more)];
  const isThere = (resource: ResourceConfig) =>
    resourceExists(bench.database, { env: 'dev', name: 'demo', schemas }, resource);
  expect([await isThere(without), await isThere(whole)]).toEqual([false, false]);
  await load(whole, [{ items: [1] }], 'full/a.ndjson');
  expect([await isThere(without), await isThere(whole)]).toEqual([true, true]);
  await load(without, [{ items: [2] }], 'full/b.ndjson');
  expect([await isThere(without), await isThere(whole)]).toEqual([true, false]);
});

test('a column called a.b is not the column b of a', async () => {
  const dotted = [child('dot', 'a.b', { table: 'dot_ab' }), child('dot', 'a', { children: [child('dot_a', 'b')] })];
  await load(nested('dot', dotted, { write: 'append' }), [{ id: 1, 'a.b': ['flat'], a: [{ b: ['deep'] }] }]);
  expect(await texts('dot_ab', 'value')).toEqual(['flat']);
  expect(await texts('dot_a_b', 'value')).toEqual(['deep']);
});

test('a key that only elements of retried rows have stays when the table is built anew', async () => {
  const items = nested('rep', [child('rep', 'items')], { path: 'rep/*.ndjson', columns: { n: 'bigint' }, maxRejectedShare: 0.9 }); // prettier-ignore
  const row = { a: 2, extra: 'keep me' };
  await put('rep/a.ndjson', [{ n: 1, items: [{ a: 1 }] }, { n: 'x', items: [row] }]); // prettier-ignore
  const { loads } = await load(items, [{ n: 5, items: [{ a: 5 }] }], 'rep/b.ndjson');
  const { loadId } = loads.find(({ rowsRejected }) => rowsRejected === 1)!;
  const path = join(bench.root, 'fixed.csv');
  await writeFile(path, `_row_number,n,items\n2,7,"${JSON.stringify([row]).replaceAll('"', '""')}"\n`);
  const corrected = { path, file: 'fixed.csv', sha256: 'x' };
  const retry = { ...base(), resource: items, loadId, runId: 'retry', corrected };
  const retried = await retryRejects(retry);
  expect(retried).toMatchObject({ accepted: 1, children: [{ rows: 3 }] });
  // An attempt that comes after the one that has done it reports the same.
  expect(await retryRejects(retry)).toEqual(retried);
  // Its row is in the table already, with its elements.
  expect(await retryRejects({ ...retry, runId: 'twice' })).toMatchObject({ accepted: 0, leftOut: 1, children: [{ rows: 3 }] }); // prettier-ignore
  const { published } = await load(items, [{ n: 6, items: [{ a: 6 }] }], 'rep/b.ndjson');
  expect(published).toMatchObject({ rows: 3, children: [{ rows: 3 }] });
  expect(await texts('rep_items', 'a, extra')).toEqual(['1 -', '2 keep me', '6 -']);
  expect(await childRows(loadId)).toEqual([2]);
  const renamed = { ...items, children: [child('rep', 'items', { table: 'rep_new' })] };
  await expect(retryRejects({ ...retry, resource: renamed, runId: 'too late' })).rejects.toMatchObject({
    code: 'ELT_RETRY_LOAD',
    message: expect.stringContaining('before items had the child table rep_new') as string,
  });
});

test('of rows with one key the last stays that no element makes impossible, with its elements', async () => {
  const items = [child('twice', 'items', { columns: { q: 'bigint' } })];
  const { loads } = await load(nested('twice', items, { primaryKey: ['id'], maxRejectedShare: 0.9 }), [
    { id: 1, items: [{ q: 0 }] },
    { id: 1, items: [{ q: 1 }, { q: 2 }] },
    { id: 1, items: [{ q: 'two' }] },
    { id: null, items: [{ q: 3 }] },
    { id: 2 },
  ]);
  expect(loads).toMatchObject([{ rowsRead: 5, rowsLoaded: 2, rowsRejected: 2, rowsDuplicate: 1 }]);
  expect(await texts('twice', 'id, _row_number')).toEqual(['1 2', '2 5']);
  expect(await texts('twice_items', 'q, _parent_row_number')).toEqual(['1 2', '2 2']);
  expect(await childRows(loads[0]!.loadId)).toEqual([2]);
});

test('an element longer than any line of a CSV file', { timeout: 60_000 }, async () => {
  const long = nested('long', [child('long', 'items', { columns: { n: 'bigint' } })], { maxRejectedShare: 0.9 });
  const { loads } = await load(long, [
    { id: 1, items: [{ n: 1, a: 'y'.repeat(17_000_000) }] },
    { id: 2, items: [{ n: 'bad', a: 'q'.repeat(3_000_000) }] },
    { id: 3 },
  ]);
  expect(loads[0]).toMatchObject({ rowsRead: 3, rowsLoaded: 2, rowsRejected: 1 });
  expect(await texts('long_items', 'n, length(a)')).toEqual(['1 17000000']);
});

test('a view over parent and child follows when only one of them has other columns', async () => {
  const both = nested('seen', [child('seen', 'items')]);
  await load(both, [{ id: 1, items: [1, 2] }]);
  await bench.database.execute(
    `CREATE VIEW ${schemas.raw}.seen_view AS SELECT p.id, c.value FROM ${schemas.raw}.seen p
       JOIN ${schemas.raw}.seen_items c ON (c._parent_load_id, c._parent_row_number) = (p._load_id, p._row_number)`,
  );
  await load(both, [{ id: 1, items: ['x', 'y'] }]);
  expect(await texts('seen_view', 'id, value')).toEqual(['1 x', '1 y']);
  await load(both, [{ id: 'a', items: ['x', 'y'] }]);
  expect(await texts('seen_view', 'id, value')).toEqual(['a x', 'a y']);
});

test('what a load has begun of child tables goes with it, and one that is none any more is named when a key is forgotten', async () => {
  const [once, now] = [nested('once', [child('once', 'items')]), nested('once', undefined)];
  await put('once.ndjson', [{ items: [1] }]);
  await bench.stage(once);
  expect((await bench.stages()).filter((name) => name.includes('_child_'))).toHaveLength(1);
  await bench.stage(now);
  expect((await bench.stages()).filter((name) => name.includes('_child_'))).toEqual([]);
  await load(once, [{ items: [1] }]);
  const left = async (resources: readonly ResourceConfig[], column = 'nobody') => {
    const key = { key: column, sources: [], tables: [] };
    return (
      await whatIsLeft({ database: bench.database, project: { schemas, resources }, key, value: '1' } as never)
    ).join();
  };
  expect(await left([now])).toContain('demo_dev_raw.once_items was a child table');
  expect(await left([once])).not.toContain('demo_dev_raw.once_items was');
  // Persons who are only in elements are not found by a column of the row.
  expect(await left([once], 'value')).toContain(
    'demo_dev_raw.once_items has 1 row with this value and is not named under',
  );
});

test('thousands of rows that an element makes impossible are quarantined, each once', async () => {
  const bad = nested('bad', [child('bad', 'items', { columns: { q: 'bigint' } })], { maxRejectedShare: 1 });
  const rows = Array.from({ length: 2_500 }, (_, id) => ({ id, items: [{ q: 'x' }, { q: 'y' }, { q: 1 }] }));
  const { loads } = await load(bad, [...rows, { id: 2_500, items: [{ q: 1 }], text: 'kept' }]);
  expect(loads).toMatchObject([{ rowsRead: 2_501, rowsLoaded: 1, rowsRejected: 2_500 }]);
  expect(await texts('bad_items', 'q, _parent_row_number')).toEqual(['1 2501']);
});

/** Counts of a load as the ledger has them: read, loaded, rejected; how it stands; child tables that are complete. */
async function lineOf(runId: string) {
  const [line] = await bench.database.query(
    `SELECT load_id AS "loadId", rows_read::int AS read, rows_loaded::int AS loaded, rows_rejected::int AS rejected, status, error ->> 'code' AS code,
       jsonb_path_query_array(reader, '$.children[*].path') AS children FROM plumbline.loads WHERE run_id = $1`,
    [runId],
  );
  return line!;
}

test('a load stops at the chunk of elements that has one bad row too many, and counts those that it has met', async () => {
  const items = child('stop', 'items', { columns: { q: 'bigint' } });
  const stop = nested('stop', [items, child('stop', 'tags')], { maxRejectedShare: 0.2 });
  await put('stop.ndjson', Array.from({ length: 20 }, (_, id) => ({ id, items: [{ q: 1 }, { q: 'x' }], tags: [id] }))); // prettier-ignore
  await expect(bench.stage(stop, { runId: 'stop', chunkRows: 4 })).rejects.toMatchObject({
    code: 'ELT_TOO_MANY_REJECTS',
    message: expect.stringContaining('6 of its 20 rows were refused, expected at most 20 %. First ones: line 1, column "items[1].q": got "x"') as string,
  }); // prettier-ignore
  expect(await lineOf('stop')).toMatchObject({ read: 20, loaded: 14, rejected: 6, status: 'failed', code: 'ELT_TOO_MANY_REJECTS' }); // prettier-ignore
  expect((await bench.stages()).filter((name) => name.includes('_child_'))).toEqual([]);
});

/** The session, which notes how many COPY each transaction has that has any. */
function counting(session: Session, copies: number[]): Session {
  let inThis = 0;
  const proxy: Session = new Proxy(session, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name === 'copyFrom' || name === 'copyTo') inThis++;
      return async (...given: unknown[]) => {
        if (name === 'transaction') inThis = 0;
        const result: unknown = await Reflect.apply(value, target, given);
        if (name === 'transaction' && inThis > 0) copies.push(inThis);
        return result;
      };
    },
  });
  return proxy;
}

test('another attempt goes on behind the child tables that are complete, and no transaction waits for a file', async () => {
  const items = child('on', 'items', { columns: { q: 'bigint' }, children: [child('on_items', 'marks', { columns: { m: 'date' } })] }); // prettier-ignore
  const on = nested('on', [items, child('on', 'tags')], { primaryKey: ['id'], maxRejectedShare: 0.9 });
  await put('on.ndjson', [
    { id: 1, items: [{ q: 1, marks: [{ m: 'never' }, { m: '2026-01-01' }] }], tags: ['a', 'b'] },
    { id: 2, items: [{ q: 2, marks: [{ m: '2026-01-02' }] }, { q: 3 }], tags: ['c'] },
    { id: 3, items: [{ q: 'bad' }], tags: ['d'] },
    { id: 4, items: [{ q: 4, marks: [{ m: '2026-01-04' }] }], tags: ['e'] },
  ]);
  const attempt = { runId: 'on', chunkRows: 2 };
  // Behind three chunks of `items` and the first one of `marks`, with which a row leaves whose items are complete.
  process.env['PLUMBLINE_FAILPOINTS'] = 'children.before-commit=error@5';
  await expect(bench.stage(on, attempt)).rejects.toThrow('children.before-commit');
  delete process.env['PLUMBLINE_FAILPOINTS'];
  const first = await lineOf('on');
  expect(first).toMatchObject({ read: 4, loaded: 2, rejected: 2, status: 'loading', children: ['items'] });
  const stageId = () =>
    bench.database.query(`SELECT '${schemas.stage}.load_${String(first['loadId'])}_child_1'::regclass::oid AS id`);
  const before = await stageId();
  const copies: number[] = [];
  const database = { ...bench.database, session: (work) => bench.database.session((session) => work(counting(session, copies))) } as Database; // prettier-ignore
  const [load] = await bench.stage(on, { ...attempt, database });
  expect(await stageId()).toEqual(before);
  expect(load).toMatchObject({ rowsRead: 4, rowsLoaded: 2, rowsRejected: 2 });
  expect(await childRows(load!.loadId)).toEqual([3, 2, 2]);
  // What is read between two COPY keeps no transaction waiting.
  expect([Math.max(...copies), copies.length]).toEqual([1, 4]);
  await bench.run(on, { runId: 'on' });
  expect(await texts('on_items', 'q, _parent_id')).toEqual(['2 2', '3 2', '4 4']);
  expect(await texts('on_items_marks', 'm, _root_id')).toEqual(['2026-01-02 2', '2026-01-04 4']);
  expect(await texts('on_tags', 'value')).toEqual(['c', 'e']);
});
