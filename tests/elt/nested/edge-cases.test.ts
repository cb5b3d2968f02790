import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { retryRejects } from '../../../src/elt/load/retry-rejects.js';
import type { ChildConfig, ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from '../load/workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

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

test('a column called a.b is not the column b of a', async () => {
  const dotted = [child('dot', 'a.b', { table: 'dot_ab' }), child('dot', 'a', { children: [child('dot_a', 'b')] })];
  await load(nested('dot', dotted, { write: 'append' }), [{ id: 1, 'a.b': ['flat'], a: [{ b: ['deep'] }] }]);
  expect(await texts('dot_ab', 'value')).toEqual(['flat']);
  expect(await texts('dot_a_b', 'value')).toEqual(['deep']);
});
