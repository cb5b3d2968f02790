import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { abandonLoads } from '../../../src/elt/load/abandon-loads.js';
import { sweepStages } from '../../../src/elt/load/sweep-stages.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());
afterEach(async () => {
  expect(await bench.stages()).toEqual([]);
});

const statuses = (resource: string) =>
  bench.database.query(`SELECT path, generation, status FROM plumbline.loads WHERE resource = $1 ORDER BY load_id`, [
    resource,
  ]);

describe('replace', () => {
  const resource = resourceOf({ id: 'r', source: 'r', table: 'r', path: 'r/*.csv', primaryKey: ['id'] });

  test('holds exactly the files that are there, whichever of them were loaded before', async () => {
    await bench.write('r/a.csv', 'id,v\n1,1\n2,2\n');
    await bench.write('r/b.csv', 'id,v,w\n3,0.5,x\n');
    const first = await bench.run(resource);
    expect(first.published).toMatchObject({ rows: 3, version: 1 });
    expect(await bench.rows('r', 'id::int, v, w')).toEqual([
      { id: 1, v: 1, w: null },
      { id: 2, v: 2, w: null },
      { id: 3, v: 0.5, w: 'x' },
    ]);

    await bench.write('r/b.csv', 'id,v,w\n2,7,y\n4,8,z\n');
    const second = await bench.run(resource, { runId: 'run-2' });
    expect(second.loads.map(({ status }) => status)).toEqual(['already_loaded', 'staged']);
    // Row 2 of a.csv gave way to the later file's.
    expect(await bench.rows('r', 'id::int, v, w')).toEqual([
      { id: 1, v: 1, w: null },
      { id: 2, v: 7, w: 'y' },
      { id: 4, v: 8, w: 'z' },
    ]);
    expect(
      await bench.database.query(
        `SELECT rows_loaded::int AS loaded, rows_duplicate::int AS duplicate FROM plumbline.loads WHERE resource = 'r' AND path = 'r/a.csv'`,
      ),
    ).toEqual([{ loaded: 1, duplicate: 1 }]);

    await rm(join(bench.root, 'r/a.csv'));
    expect((await bench.run(resource, { runId: 'run-3' })).published).toMatchObject({
      status: 'published',
      rows: 2,
      version: 3,
    });
    expect(await statuses('r')).toEqual([
      { path: 'r/a.csv', generation: 1, status: 'replaced' },
      { path: 'r/b.csv', generation: 1, status: 'replaced' },
      { path: 'r/b.csv', generation: 1, status: 'published' },
    ]);
  });

  test('a row that gave way to a later file is there again when that file has it no more', async () => {
    const keyed = resourceOf({ id: 'way', source: 'way', table: 'way', path: 'way/*.csv', primaryKey: ['id'] });
    const rows = () => bench.rows('way', 'id::int, v');
    await bench.write('way/a.csv', 'id,v\n1,a\n2,a\n');
    await bench.write('way/b.csv', 'id,v\n1,b\n3,b\n');
    await bench.run(keyed);
    expect(await rows()).toEqual([{ id: 2, v: 'a' }, { id: 1, v: 'b' }, { id: 3, v: 'b' }]); // prettier-ignore
    await bench.write('way/b.csv', 'id,v\n3,b\n');
    await bench.run(keyed, { runId: 'run-2' });
    expect(await bench.database.query(`SELECT id::int, v FROM demo_dev_raw.way ORDER BY id`)).toEqual([{ id: 1, v: 'a' }, { id: 2, v: 'a' }, { id: 3, v: 'b' }]); // prettier-ignore
    await bench.write('way/b.csv', 'id,v\n1,b\n');
    await bench.run(keyed, { runId: 'run-3' });
    await rm(join(bench.root, 'way/b.csv'));
    const last = await bench.run(keyed, { runId: 'run-4' });
    expect(await rows()).toEqual([{ id: 1, v: 'a' }, { id: 2, v: 'a' }]); // prettier-ignore
    expect(last.loads).toMatchObject([{ status: 'staged', rowsRead: 2, rowsLoaded: 2, rowsDuplicate: 0 }]);
  });

  test('a file with a row that made way is read anew only when another one is no longer what it was', async () => {
    const keyed = resourceOf({ id: 'calm', source: 'calm', table: 'calm', path: 'calm/*.csv', primaryKey: ['id'] });
    const statuses = async (run: string) => (await bench.run(keyed, { runId: run })).loads.map(({ status }) => status);
    await bench.write('calm/a.csv', 'id\n1\n2\n');
    await bench.write('calm/b.csv', 'id\n1\n');
    await statuses('run-1');
    await bench.write('calm/c.csv', 'id\n2\n3\n');
    expect(await statuses('run-2')).toEqual(['already_loaded', 'already_loaded', 'staged']);
    expect(await bench.rows('calm', 'id')).toEqual([{ id: '1' }, { id: '2' }, { id: '3' }]);
    await bench.write('calm/c.csv', 'id\n3\n');
    expect(await statuses('run-3')).toEqual(['staged', 'already_loaded', 'staged']);
    expect(await bench.rows('calm', 'id')).toEqual([{ id: '1' }, { id: '2' }, { id: '3' }]);
  });

  test('has the rows of its own files when another source had its table meanwhile', async () => {
    const one = resourceOf({ id: 'shop.u', source: 'shop', table: 'shop_u', path: 'u/*.csv' });
    await bench.write('u/1.csv', 'id\n1\n');
    await bench.write('u/2.csv', 'id\n2\n');
    await bench.run(one);
    await bench.run({ ...one, id: 'shop_u', source: 'shop_u' }, { runId: 'run-2' });
    await bench.write('u/2.csv', 'id\n3\n');
    expect((await bench.run(one, { runId: 'run-3' })).published).toMatchObject({ rows: 2 });
    expect(await bench.rows('shop_u', 'id')).toEqual([{ id: '1' }, { id: '3' }]);
  });

  test('loads a former content again when the file goes back to it', async () => {
    const one = resourceOf({ id: 'back', source: 'back', table: 'back', path: 'back.csv' });
    for (const [content, rows] of [
      ['id\n1\n', 1],
      ['id\n1\n2\n', 2],
      ['id\n1\n', 1],
    ] as const) {
      // prettier-ignore
      await bench.write('back.csv', content);
      expect((await bench.run(one)).published).toMatchObject({ status: 'published', rows });
    }
    expect((await statuses('back')).map(({ generation, status }) => `${String(generation)} ${String(status)}`)).toEqual(
      ['1 replaced', '1 replaced', '2 published'],
    );
  });

  test('loads again by force, once a run, and when the table was dropped', async () => {
    const one = resourceOf({ id: 'force', source: 'force', table: 'force', path: 'force.csv' });
    await bench.write('force.csv', 'id\n1\n');
    await bench.run(one);
    const forced = await bench.run(one, { runId: 'run-f', force: true });
    expect(forced.loads[0]!.status).toBe('staged');
    expect((await bench.run(one, { runId: 'run-f', force: true })).loads[0]!.status).toBe('already_loaded');
    await bench.database.execute('DROP TABLE demo_dev_raw.force');
    expect((await bench.run(one)).published).toMatchObject({ status: 'published', rows: 1 });
  });

  test('reads the same content anew when a type is declared', async () => {
    const one = resourceOf({ id: 'typed', source: 'typed', table: 'typed', path: 'typed.csv' });
    await bench.write('typed.csv', 'id\n1\n');
    await bench.run(one);
    await bench.run({ ...one, columns: { id: 'text' } });
    expect(await bench.rows('typed', 'id')).toEqual([{ id: '1' }]);
  });
});

describe('append', () => {
  const resource = resourceOf({ id: 'a', source: 'a', table: 'a', path: 'a/*.csv', write: 'append' });

  test('adds new files, and puts a changed file in the place of its old rows', async () => {
    await bench.write('a/1.csv', 'id,v\n1,a\n2,b\n');
    await bench.run(resource);
    await bench.write('a/2.csv', 'id,v,more\n3,c,9007199254740993\n');
    const second = await bench.run(resource, { runId: 'run-2' });
    expect(second.published).toMatchObject({ rows: 3, version: 2, columnsAdded: ['more'] });
    await bench.write('a/1.csv', 'id,v\n1,A\n');
    await bench.run(resource, { runId: 'run-3' });
    expect(await bench.rows('a', 'id::int, v, more')).toEqual([
      { id: 3, v: 'c', more: '9007199254740993' },
      { id: 1, v: 'A', more: null },
    ]);
    expect((await bench.run(resource, { runId: 'run-4' })).published).toMatchObject({
      status: 'unchanged',
      version: 3,
    });
  });

  test('quarantines what the table cannot hold, and widens the table when the project says so', async () => {
    const one = resourceOf({
      id: 'w',
      source: 'w',
      table: 'w',
      path: 'w/*.csv',
      write: 'append',
      maxRejectedShare: 0.5,
    });
    await bench.write('w/1.csv', 'id\n1\n');
    await bench.run(one);
    await bench.write('w/2.csv', 'id\n2\n2.5\n');
    expect((await bench.run(one)).loads[1]).toMatchObject({ rowsLoaded: 1, rowsRejected: 1 });
    await bench.run({ ...one, columns: { id: 'numeric' } });
    expect(await bench.rows('w', 'id')).toEqual([{ id: '1' }, { id: '2' }, { id: '2.5' }]);
    await bench.database.execute('CREATE VIEW demo_dev_raw.over AS SELECT id FROM demo_dev_raw.w');
    await expect(bench.run({ ...one, columns: { id: 'text' } })).rejects.toMatchObject({ code: 'ELT_TYPE_CHANGE' });
    expect(await bench.rows('w', 'id')).toHaveLength(3);
    await sweepStages({ database: bench.database, schemas });
    await bench.database.execute(
      `UPDATE plumbline.loads SET run_id = 'over' WHERE resource = 'w' AND status = 'staged'`,
    );
    await bench.database.execute(
      `INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, status, started_by) VALUES ('over', 'dev', 'demo', 'w', '{}', 'b', 'cancelled', 'test')`,
    );
    await abandonLoads({ database: bench.database, env: 'dev', project: 'demo' });
    expect(await sweepStages({ database: bench.database, schemas })).toHaveLength(2);
  });

  test('adds nothing to the rows of a source that had the table under another name', async () => {
    const one = resourceOf({ id: 'shop.t', source: 'shop', table: 'shop_t', path: 't/*.csv', write: 'append' });
    await bench.write('t/1.csv', 'id\n1\n');
    await bench.run(one);
    const renamed = { ...one, id: 'shop_t', source: 'shop_t' };
    await expect(bench.run(renamed)).rejects.toMatchObject({
      code: 'ELT_TABLE_TAKEN',
      message: expect.stringContaining('demo_dev_raw.shop_t has the rows of shop.t') as string,
    });
    expect(await bench.rows('shop_t', 'id')).toEqual([{ id: '1' }]);
    await bench.database.execute('DROP TABLE demo_dev_raw.shop_t');
    expect((await bench.run(renamed, { runId: 'run-2' })).published).toMatchObject({ rows: 1 });
    await bench.write('t/1.csv', 'id\n2\n');
    await expect(bench.run(one, { runId: 'run-3' })).rejects.toMatchObject({ code: 'ELT_TABLE_TAKEN' });
    await bench.database.execute(`UPDATE plumbline.loads SET status = 'failed' WHERE status = 'staged'`);
    await sweepStages({ database: bench.database, schemas });
  });

  test('gives a column a declared type only where no row that stays becomes another', async () => {
    const one = resourceOf({ id: 'n', source: 'n', table: 'n', path: 'n/*.csv', write: 'append' });
    await bench.write('n/1.csv', 'v,t\n1.5,2024-01-01 10:00:00\n');
    await bench.write('n/2.csv', 'v,t\n2,2024-01-02\n');
    await bench.run(one);
    await rm(join(bench.root, 'n/1.csv'));
    const narrower: ResourceConfig['columns'][] = [{ v: 'bigint' }, { t: 'date' }];
    for (const columns of narrower)
      await expect(bench.run({ ...one, columns })).rejects.toMatchObject({
        code: 'ELT_TYPE_CHANGE',
        message: expect.stringMatching(/failed: the table has "(1\.5|2024-01-01 10:00:00)" in it, expected /) as string,
      });
    expect(await bench.rows('n', 'v::text, t::text')).toEqual([
      { v: '1.5', t: '2024-01-01 10:00:00' },
      { v: '2', t: '2024-01-02 00:00:00' },
    ]);
    // What makes way is not in the way.
    await bench.write('n/1.csv', 'v,t\n1,2024-01-01\n');
    await bench.run({ ...one, columns: { v: 'bigint', t: 'date' } }, { runId: 'run-2' });
    expect(await bench.database.query('SELECT v::text, t::text FROM demo_dev_raw.n ORDER BY v')).toEqual([
      { v: '1', t: '2024-01-01' },
      { v: '2', t: '2024-01-02' },
    ]);
    await sweepStages({ database: bench.database, schemas });
  });
});

describe('a type declared later', () => {
  const appended = (id: string, columns: ResourceConfig['columns'] = {}) =>
    resourceOf({ id, source: id, table: id, path: `${id}-*.csv`, write: 'append', columns });

  test('counts for rows that are read anew, whatever their former texts were', async () => {
    await bench.write('anew-1.csv', 'id,v\n1,"14,50"\n');
    await bench.run(appended('anew'));
    await bench.write('anew-1.csv', 'id,v\n1,14.50\n');
    await bench.run(appended('anew', { v: 'numeric(12,2)' }));
    expect(await bench.rows('anew', 'v')).toEqual([{ v: '14.50' }]);
  });

  test.each([
    ['03.04.2025', 'text', 'date'],
    ['2025-04-03 10:00', 'text', 'date'],
    ['2025-04-03 10:00+02', 'text', 'timestamp'],
    ['tomorrow', 'text', 'timestamptz'],
    ['12.345', 'text', 'numeric(12,2)'],
    ['12.345', 'numeric', 'numeric(12,2)'],
    ['2.5', 'double precision', 'bigint'],
    ['9007199254740993', 'bigint', 'double precision'],
    ['2025-04-03 10:00:00', 'timestamp', 'date'],
  ] as const)('does not change what rows hold that are not read again: %s of %s as %s', async (value, from, to) => {
    const id = `kept_${from}_${to}`.replaceAll(/\W/g, '_') + value.length;
    await bench.write(`${id}-1.csv`, `v\n${value}\n`);
    await bench.run(appended(id, { v: from }));
    await rm(join(bench.root, `${id}-1.csv`));
    await bench.write(`${id}-2.csv`, 'v\n\n');
    await expect(bench.run({ ...appended(id, { v: to }), allowEmpty: true })).rejects.toMatchObject({
      code: 'ELT_TYPE_CHANGE',
      message: expect.stringContaining(`the table has "${value}`) as unknown,
    });
    expect(await bench.rows(id, 'v::text')).toEqual([{ v: value }]);
    await bench.database.execute(
      `UPDATE plumbline.loads SET run_id = 'over' WHERE resource = $1 AND status = 'staged'`,
      [id],
    );
    await abandonLoads({ database: bench.database, env: 'dev', project: 'demo' });
    await sweepStages({ database: bench.database, schemas });
  });
});

describe('merge', () => {
  const resource = resourceOf({
    id: 'm',
    source: 'm',
    table: 'm',
    path: 'm/*.csv',
    write: 'merge',
    primaryKey: ['id', 'part'],
  });

  test('writes by key: later rows win, within a file and across files', async () => {
    await bench.write('m/1.csv', 'id,part,v\n1,a,old\n1,b,kept\n1,a,last\n');
    const first = await bench.run(resource);
    expect(first.loads[0]).toMatchObject({ rowsRead: 3, rowsLoaded: 2, rowsDuplicate: 1 });
    await bench.write('m/2.csv', 'id,part,v,extra\n1,a,newer,x\n2,a,new,y\n');
    await bench.write('m/3.csv', 'id,part,v\n2,a,newest\n');
    await bench.run(resource, { runId: 'run-2' });
    expect(await bench.database.query(`SELECT id::int, part, v, extra FROM demo_dev_raw.m ORDER BY id, part`)).toEqual([
      { id: 1, part: 'a', v: 'newer', extra: 'x' },
      { id: 1, part: 'b', v: 'kept', extra: null },
      { id: 2, part: 'a', v: 'newest', extra: 'y' },
    ]);
  });

  test('an older load that is published late does not undo a newer one', async () => {
    const late = resourceOf({
      id: 'late',
      source: 'late',
      table: 'late',
      path: 'late/1.csv',
      write: 'merge',
      primaryKey: ['id'],
    });
    await bench.write('late/1.csv', 'id,v\n1,old\n2,old\n');
    await bench.write('late/2.csv', 'id,v\n1,new\n');
    const older = await bench.stage(late);
    await bench.run({ ...late, path: 'late/2.csv' });
    await publishResource({
      database: bench.database,
      env: 'dev',
      project: 'demo',
      schemas,
      resource: late,
      loads: older,
      runId: 'run-2',
    });
    expect(await bench.database.query('SELECT id::int, v FROM demo_dev_raw.late ORDER BY id')).toEqual([{ id: 1, v: 'new' }, { id: 2, v: 'old' }]); // prettier-ignore
  });
});

test('refuses loads that are not there or not finished', async () => {
  const resource = resourceOf({ path: 'x.csv' });
  await expect(
    publishResource({
      database: bench.database,
      env: 'dev',
      project: 'demo',
      schemas,
      resource,
      loads: [{ loadId: '999999' }],
      runId: 'r',
    }),
  ).rejects.toMatchObject({ code: 'ELT_LOAD_UNKNOWN' });
});
