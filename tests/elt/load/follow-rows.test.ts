import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countRows } from '../../../src/elt/load/count-rows.js';
import { followRows } from '../../../src/elt/load/follow-rows.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

/** Rows that fill 40 MiB, as an earlier publication would have brought them. */
async function makeLarge(table: string): Promise<void> {
  await bench.database.execute(
    `ALTER TABLE ${schemas.raw}.${table} SET (fillfactor = 10);
     INSERT INTO ${schemas.raw}.${table}
       SELECT (jsonb_populate_record(t, jsonb_build_object('id', 1000 + i, 'v', repeat('x', 800), '_row_number', 1000 + i))).*
       FROM ${schemas.raw}.${table} AS t, generate_series(1, 5000) AS i WHERE id = 1;
     UPDATE plumbline.resource_versions SET row_count = row_count + 5000 WHERE table_name = '${table}'`,
  );
  // What was not sent to the statistics yet must not count.
  await bench.database.execute(`DELETE FROM ${schemas.raw}.${table} WHERE id = 1001`);
  await bench.database.execute(
    `UPDATE plumbline.resource_versions SET row_count = row_count - 1 WHERE table_name = '${table}'`,
  );
}

describe('rows of a large table', () => {
  it.each(['upsert', 'delete-insert', 'scd2'] as const)('are right after %s', async (strategy) => {
    const table = `large_${strategy.replace('-', '_')}`;
    const resource = resourceOf({ id: table, source: table, table, path: `${table}/*.csv`, primaryKey: ['id'], write: 'merge', merge: { strategy }, columns: { id: 'bigint', v: 'text' } }); // prettier-ignore
    await bench.write(`${table}/a.csv`, 'id,v\n1,a\n2,b\n');
    expect((await bench.run(resource)).published.rows).toBe(2);
    await makeLarge(table);
    await bench.write(`${table}/b.csv`, 'id,v\n2,c\n3,d\n');
    const { published } = await bench.run(resource, { runId: 'run-2' });
    expect(published.rows).toBe(await countRows(bench.database, { schema: schemas.raw, name: table }));
    expect(published.rows).toBe(strategy === 'scd2' ? 5_003 : 5_002);
  });

  it('are right when a file that was appended has other rows, and its key is looked for by an index', async () => {
    const resource = resourceOf({ id: 'files', source: 'files', table: 'files', path: 'files/*.csv', primaryKey: ['id'], write: 'append', columns: { id: 'bigint', v: 'text' } }); // prettier-ignore
    await bench.write('files/a.csv', 'id,v\n1,a\n');
    await bench.write('files/b.csv', 'id,v\n2,a\n3,b\n');
    expect((await bench.run(resource)).published.rows).toBe(3);
    await makeLarge('files');
    await bench.write('files/b.csv', 'id,v\n4,c\n');
    const { published } = await bench.run(resource, { runId: 'run-2' });
    expect(published.rows).toBe(await countRows(bench.database, { schema: schemas.raw, name: 'files' }));
    expect(published.rows).toBe(5_001);
    expect(await bench.database.query(`SELECT indexdef FROM pg_indexes WHERE tablename = 'files'`)).toEqual([
      { indexdef: expect.stringContaining('USING btree (id)') as unknown },
    ]);
    await bench.write('files/c.csv', 'id,v\n1500,c\n');
    await expect(bench.run(resource, { runId: 'run-3' })).rejects.toMatchObject({ code: 'ELT_KEY_REPEATED' });
    await bench.write('files/c.csv', 'id,v\n5,c\n');
    await bench.run(resource, { runId: 'run-4' });
  });

  it('are right when another source has merged into the table meanwhile', async () => {
    const one = resourceOf({ id: 'shop.l', source: 'shop', table: 'shop_l', path: 'l/*.csv', primaryKey: ['id'], write: 'merge', columns: { id: 'bigint', v: 'text' } }); // prettier-ignore
    await bench.write('l/a.csv', 'id,v\n1,a\n');
    await bench.run(one);
    await makeLarge('shop_l');
    await bench.write('l/b.csv', 'id,v\n2,b\n');
    await bench.run({ ...one, id: 'shop_l', source: 'shop_l' }, { runId: 'run-2' });
    await bench.write('l/b.csv', 'id,v\n3,b\n');
    expect((await bench.run(one, { runId: 'run-3' })).published.rows).toBe(5_002);
  });

  it('are counted where no version says how many there were, and where the connection counts nothing', async () => {
    await bench.database.execute(
      `CREATE TABLE ${schemas.raw}.foreign_rows AS SELECT 1 AS id FROM generate_series(1, 5)`,
    );
    const target = { schema: schemas.raw, name: 'foreign_rows' };
    const publication = { env: 'dev', project: 'demo', resource: 'foreign_rows', token: '1', version: 1 };
    for (const setting of ['on', 'off'])
      await bench.database.transaction(async (session) => {
        await session.execute(`SET LOCAL track_counts = ${setting}`);
        const rows = await followRows(session, publication, target, 0);
        await session.execute(`INSERT INTO ${schemas.raw}.foreign_rows VALUES (2)`);
        expect(await rows()).toBe(setting === 'on' ? 6 : 7);
      });
  });
});
