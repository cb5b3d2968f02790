import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadObject } from '../../../src/elt/load/load-object.js';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import { retryRejects } from '../../../src/elt/load/retry-rejects.js';
import { TransientError } from '../../../src/errors.js';
import type { Database, Session } from '../../../src/model/database.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

/** A published load of `7 1`, `8 2` and the rejected row 2, with a file that corrects that to `7 5`. */
async function prepare(id: string, more: Partial<ResourceConfig>) {
  const resource = resourceOf({
    id,
    source: id,
    table: id,
    path: `${id}.csv`,
    columns: { n: 'bigint' },
    maxRejectedShare: 0.5,
    ...more,
  });
  await bench.write(resource.path, 'key,n\n7,1\n7,x\n8,2\n');
  const { loads } = await bench.run(resource);
  await bench.write(`${id}-fixed.csv`, '_row_number,key,n\n2,7,5\n');
  const corrected = { path: join(bench.root, `${id}-fixed.csv`), file: 'fixed.csv', sha256: 'f' };
  const { loadId } = loads[0]!;
  return { database: bench.database, env: 'dev', project: 'demo', schemas, resource, loadId, corrected, runId: 'fix' };
}

const rows = async (table: string) =>
  (await bench.database.query<{ row: string }>(`SELECT key || ' ' || n AS row FROM demo_dev_raw."${table}" ORDER BY 1`)).map(({ row }) => row); // prettier-ignore
const counts = async (loadId: string) =>
  (await bench.database.query(`SELECT rows_read::int AS read, rows_loaded::int AS loaded, rows_rejected::int AS rejected FROM plumbline.loads WHERE load_id = $1`, [loadId]))[0]; // prettier-ignore

test('a row joins the rows of its merge key, and those of its state', async () => {
  const group = await prepare('grouped', { write: 'merge', merge: { strategy: 'delete-insert', key: ['key'] } });
  expect(await retryRejects(group)).toMatchObject({ accepted: 1, rows: 3 });
  expect(await rows('grouped')).toEqual(['7 1', '7 5', '8 2']);
  const states = await prepare('states', { write: 'merge', primaryKey: ['key'], merge: { strategy: 'scd2', closesGone: true } }); // prettier-ignore
  expect(await retryRejects(states)).toMatchObject({ accepted: 1, rows: 3 });
  expect(await bench.database.query(`SELECT n::int FROM demo_dev_raw.states WHERE _valid_to IS NULL ORDER BY n`)).toEqual([{ n: 2 }, { n: 5 }]); // prettier-ignore
});

test('two retries of one load at once: the second finishes, the first, frozen before its COMMIT, changes nothing', async () => {
  const options = await prepare('frozen', { write: 'append' });
  let thaw = (): void => {};
  let reached = (): void => {};
  const thawed = new Promise<void>((resolve) => (thaw = resolve));
  const hasReached = new Promise<void>((resolve) => (reached = resolve));
  const frozen = (session: Session): Session => ({
    ...session,
    query: async <R>(...asked: Parameters<Session['query']>) => {
      const rows = await session.query<R>(...asked);
      if (/INSERT INTO plumbline.resource_versions/.test(asked[0])) {
        reached();
        await thawed;
      }
      return rows;
    },
  });
  const database: Database = { ...bench.database, session: (work) => bench.database.session((one) => work(frozen(one))) }; // prettier-ignore
  const zombie = retryRejects({ ...options, database, runId: 'zombie' }).catch((error: unknown) => error);
  await hasReached;
  expect(await retryRejects({ ...options, runId: 'heir' })).toMatchObject({ accepted: 1, rows: 3 });
  thaw();
  expect(await zombie).toBeInstanceOf(TransientError);
  expect(await rows('frozen')).toEqual(['7 1', '7 5', '8 2']);
  expect(await counts(options.loadId)).toEqual({ read: 3, loaded: 3, rejected: 0 });
  // A third one has nothing to do, and says so.
  expect(await retryRejects({ ...options, runId: 'third' })).toMatchObject({ accepted: 0, leftOut: 1, rows: 3 });
  expect(await bench.stages()).toEqual([]);
});

test('a key that another file has brought into the table is not there twice by a retry either', async () => {
  const options = await prepare('keyed', { write: 'append', primaryKey: ['key'] });
  await bench.write('other.csv', 'key,n\n9,1\n');
  await bench.run({ ...options.resource, path: 'other.csv' });
  await bench.write('keyed-fixed.csv', '_row_number,key,n\n2,9,5\n');
  await expect(retryRejects(options)).rejects.toMatchObject({ code: 'ELT_KEY_REPEATED', message: expect.stringContaining('key = 9 is in') as string }); // prettier-ignore
  expect(await rows('keyed')).toEqual(['7 1', '8 2', '9 1']);
  expect(await counts(options.loadId)).toEqual({ read: 3, loaded: 2, rejected: 1 });
  await bench.write('keyed-fixed.csv', '_row_number,key,n\n2,10,5\n');
  expect(await retryRejects(options)).toMatchObject({ accepted: 1, rows: 4 });
});

test('numbers with other marks come back as they were read', async () => {
  const resource = resourceOf({ id: 'marks', source: 'marks', table: 'marks', path: 'marks.csv', maxRejectedShare: 0.9, csv: { decimal: ',', thousands: '.' }, columns: { v: 'numeric', n: 'bigint' } }); // prettier-ignore
  await bench.write('marks.csv', 'key;v;n\nx;1.234;1\ny;2.498;many\nz;free;3\n');
  const { loads } = await bench.run(resource);
  const { loadId } = loads[0]!;
  const kept = await bench.database.query(`SELECT value, raw FROM plumbline.rejects WHERE load_id = $1 ORDER BY row_number`, [loadId]); // prettier-ignore
  expect(kept).toEqual([{ value: 'many', raw: '["y","2498","many"]' }, { value: 'free', raw: '["z","free","3"]' }]); // prettier-ignore
  const options = { database: bench.database, env: 'dev', project: 'demo', schemas, resource: { ...resource, columns: { v: 'numeric', n: 'text' } as const }, loadId, runId: 'marks' }; // prettier-ignore
  expect(await retryRejects(options)).toMatchObject({ accepted: 1, rejected: 1 });
  expect(await bench.rows('marks', 'key, v::text, n')).toEqual([{ key: 'x', v: '1234', n: '1' }, { key: 'y', v: '2498', n: 'many' }]); // prettier-ignore
});

test('a row of which only the text was kept, and whose columns nobody filled in, is none', async () => {
  const options = await prepare('untouched', { write: 'append' });
  await bench.write('untouched.csv', 'key,n\n7,1\n7,x,y\n8,\n');
  const { loads } = await bench.run(options.resource);
  const { loadId } = loads[0]!;
  await bench.write('untouched-fixed.csv', '_row_number,key,n\n2,,\n');
  expect(await retryRejects({ ...options, loadId })).toMatchObject({ accepted: 0, rejected: 1, leftOut: 0, rows: 2 });
  expect(await counts(loadId)).toEqual({ read: 3, loaded: 2, rejected: 1 });
  const kept = await bench.database.query(`SELECT reason FROM plumbline.rejects WHERE load_id = $1`, [loadId]);
  expect(kept).toEqual([{ reason: 'too many fields: 3, expected 2' }]);
});

test('rows that were put right stay when their file is one of several and another one changes', async () => {
  await bench.write('pair-other.csv', 'key,n\n20,1\n');
  const options = await prepare('pair', { primaryKey: ['key'] });
  const resource = { ...options.resource, path: 'pair{,-other}.csv' };
  await bench.run(resource);
  // The corrected row makes the one with its key a duplicate that no quarantine has.
  await bench.write('pair-fixed.csv', '_row_number,key,n\n2,7,5\n');
  expect(await retryRejects({ ...options, resource })).toMatchObject({ accepted: 1, displaced: 1 });
  await bench.write('pair-other.csv', 'key,n\n21,1\n');
  await bench.run(resource);
  expect(await rows('pair')).toEqual(['21 1', '7 5', '8 2']);
});

test('rejected rows do not go into a table that another source has by now', async () => {
  const options = await prepare('lent', { id: 'lent.t', table: 'lent_t' });
  await bench.run({ ...options.resource, id: 'lent_t', source: 'lent_t' }, { runId: 'run-2' });
  await expect(retryRejects(options)).rejects.toMatchObject({
    code: 'ELT_RETRY_LOAD',
    message: expect.stringContaining('its table demo_dev_raw.lent_t has the rows of lent_t now') as unknown,
  });
});

test('a corrected row whose key comes later in the answer of its API is a duplicate, as it would have been', async () => {
  const http = { byInterval: true } as NonNullable<ResourceConfig['http']>;
  const options = { ...(await prepare('answer', {})), runId: 'answer' };
  const resource = resourceOf({ id: 'api', source: 'api', table: 'api', type: 'http', http, format: 'ndjson', write: 'append', path: '/o', primaryKey: ['key'], columns: { n: 'bigint' }, maxRejectedShare: 0.5 }); // prettier-ignore
  const load = async (part: number, content: string) => {
    const path = `/o?interval=2025-01-01T00:00:00Z/2025-01-02T00:00:00Z#${part}`;
    const object = { path, ...(await bench.store.put(Buffer.from(content))), isUnchanged: false };
    return loadObject({ ...options, store: bench.store, resource, object });
  };
  const loads = [await load(1, '{"key":8,"n":1}\n{"key":7,"n":"x"}\n'), await load(2, '{"key":7,"n":5}\n')];
  await publishResource({ ...options, resource, loads });
  const retried = await retryRejects({ ...options, resource, loadId: loads[0]!.loadId, runId: 'fix-answer' });
  expect(retried).toMatchObject({ accepted: 0, duplicate: 1, rows: 2 });
  expect(await rows('api')).toEqual(['7 5', '8 1']);
});
