import { DuckDBInstance } from '@duckdb/node-api';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newestSchemaChanges } from '../../../src/elt/load/schema-changes.js';
import type { ResourceConfig, SchemaContract } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

/** Writes rows as a file of the format; NULLs are left out of JSON. */
const formats: Readonly<Record<string, (path: string, rows: readonly Record<string, unknown>[]) => Promise<void>>> = {
  async csv(path, rows) {
    const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const lines = rows.map((row) => keys.map((key) => (row[key] as number | string | undefined) ?? '').join(','));
    await bench.write(path, `${[keys.join(','), ...lines].join('\n')}\n`);
  },
  ndjson: (path, rows) => bench.write(path, rows.map((row) => `${JSON.stringify(row)}\n`).join('')),
  async parquet(path, rows) {
    await formats['ndjson']!(`${path}.json`, rows);
    const duckdb = await (await DuckDBInstance.create()).connect();
    const types = rows.some(({ n }) => n === 'x') ? `, columns = {id: 'BIGINT', n: 'VARCHAR', tip: 'BIGINT'}` : '';
    const read = `read_json('${join(bench.root, path)}.json', format = 'newline_delimited'${types})`;
    await duckdb.run(`COPY (SELECT * FROM ${read}) TO '${join(bench.root, path)}'`);
    duckdb.closeSync();
  },
};

let resources = 0;
/** A table of two rows, then a file of three: one with a new column, one whose number is none of the column's type. */
async function grow(
  format: string,
  contract: SchemaContract | undefined,
  write: ResourceConfig['write'] = 'append',
  wrong: number | string = 0.25,
): Promise<{ readonly resource: ResourceConfig; readonly second: () => ReturnType<Workbench['run']> }> {
  const id = `${format}_${++resources}`;
  const path = write === 'append' ? `${id}/*.${format}` : `${id}/a.${format}`;
  const resource = resourceOf({ id, source: id, table: id, path, write, maxRejectedShare: 0.7 });
  await formats[format]!(`${id}/a.${format}`, [{ id: 1, n: 10 }, { id: 2, n: 20 }]); // prettier-ignore
  await bench.run(resource);
  await formats[format]!(`${id}/${write === 'append' ? 'b' : 'a'}.${format}`, [{ id: 3, n: 30 }, { id: 4, n: 40, tip: 5 }, { id: 5, n: wrong }]); // prettier-ignore
  const asked = contract === undefined ? resource : { ...resource, contract };
  // What is loaded already was read under the same contract.
  if (contract !== undefined)
    await bench.database.execute(
      `UPDATE plumbline.loads SET settings = $2 WHERE resource = $1`,
      [id, (await import('../../../src/elt/load/ledger.js')).settingsDigest(asked)], // prettier-ignore
    );
  return { resource: asked, second: () => bench.run(asked, { runId: 'run-2' }) };
}

const values = async (table: string) =>
  (await bench.database.query<Record<string, string>>(`SELECT to_jsonb(t) - '{_load_id,_row_number,_loaded_at}'::text[] AS row FROM demo_dev_raw."${table}" t ORDER BY id`)).map(({ row }) => row); // prettier-ignore
const typeOf = async (table: string, column: string) =>
  (await bench.database.query(`SELECT data_type FROM information_schema.columns WHERE table_name = $1 AND column_name = $2`, [table, column]))[0]?.['data_type']; // prettier-ignore
const rejects = (resource: string) =>
  bench.database.query(
    `SELECT column_name AS column, value, row_number::int AS row FROM plumbline.rejects JOIN plumbline.loads USING (load_id) WHERE resource = $1 ORDER BY row_number`,
    [resource],
  );

// How a value comes to be wrong differs: Parquet states types, JSON knows numbers.
const evolve = ['csv', 'ndjson', 'parquet'];
const others = { csv: 0.25, ndjson: 0.25, parquet: 'x' };

describe('contract', () => {
  test.each(evolve)(
    '%s: evolve adds the column and widens the type exactly; what changed is recorded',
    async (format) => {
      const { resource, second } = await grow(format, { types: 'evolve' });
      expect((await second()).published).toMatchObject({
        columnsAdded: ['tip'],
        typesChanged: [{ column: 'n', from: 'bigint', to: 'numeric' }],
      });
      expect(await values(resource.table)).toEqual([
        { id: 1, n: 10, tip: null },
        { id: 2, n: 20, tip: null },
        { id: 3, n: 30, tip: null },
        { id: 4, n: 40, tip: 5 },
        { id: 5, n: 0.25, tip: null },
      ]);
      const [said] = (await newestSchemaChanges(bench.database, { env: 'dev', project: 'demo' })).filter((one) =>
        one.startsWith(resource.id),
      );
      expect(said).toMatch(/: new column tip; column n is numeric, it was bigint \(/);
    },
  );

  test('freeze fails on a new column, and on a value of another type', async () => {
    const columns = await grow('csv', { columns: 'freeze' });
    await expect(columns.second()).rejects.toMatchObject({
      code: 'ELT_CONTRACT',
      message: expect.stringContaining('it has column "tip"') as unknown,
    });
    const types = await grow('csv', { types: 'freeze' });
    await expect(types.second()).rejects.toMatchObject({
      code: 'ELT_CONTRACT',
      message: expect.stringContaining('column "n": got "0.25", expected a whole number') as unknown,
    });
    for (const { resource } of [columns, types]) {
      expect(await values(resource.table)).toHaveLength(2);
      const told = await bench.database.query(
        `SELECT status, error ->> 'code' AS code FROM plumbline.loads WHERE resource = $1 ORDER BY load_id DESC LIMIT 1`,
        [resource.id],
      );
      expect(told).toEqual([{ status: 'failed', code: 'ELT_CONTRACT' }]);
    }
  });

  test.each(Object.entries(others))(
    '%s: discard_row quarantines rows that have the new column, or a value of another type',
    async (format, wrong) => {
      const { resource, second } = await grow(
        format,
        { columns: 'discard_row', types: 'discard_row' },
        'append',
        wrong,
      );
      // Both are wrong with the last one: corrected where it says, it would lose the value of the other.
      const more = [6, 7, 8].map((id) => ({ id, n: 10 * id }));
      await formats[format]!(`${resource.id}/c.${format}`, [...more, { id: 9, n: wrong, tip: 7 }]);
      const { loads } = await second();
      expect(loads[1]).toMatchObject({ rowsRead: 3, rowsLoaded: 1, rowsRejected: 2 });
      expect(loads[2]).toMatchObject({ rowsRead: 4, rowsLoaded: 3, rowsRejected: 1 });
      expect(await values(resource.table)).toEqual([{ id: 1, n: 10 }, { id: 2, n: 20 }, { id: 3, n: 30 }, ...more]);
      expect(await rejects(resource.id)).toEqual([
        { column: 'tip', value: '5', row: 2 },
        { column: 'n', value: String(wrong), row: 3 },
        { column: 'tip', value: '7', row: 4 },
      ]);
    },
  );

  test('discard_value drops the values and counts them', async () => {
    const { resource, second } = await grow('ndjson', { columns: 'discard_value', types: 'discard_value' });
    expect((await second()).loads[1]).toMatchObject({ rowsLoaded: 3, rowsRejected: 0, discarded: { tip: 1, n: 1 } });
    expect(await values(resource.table)).toEqual([
      { id: 1, n: 10 },
      { id: 2, n: 20 },
      { id: 3, n: 30 },
      { id: 4, n: 40 },
      { id: 5, n: null },
    ]);
  });
});

test('without a contract rows of another type are quarantined under append, and replace takes the types of the file', async () => {
  const append = await grow('csv', undefined);
  expect((await append.second()).loads[1]).toMatchObject({ rowsLoaded: 2, rowsRejected: 1 });
  const replace = await grow('csv', undefined, 'replace');
  expect((await replace.second()).published.typesChanged).toEqual([{ column: 'n', from: 'bigint', to: 'double precision' }]); // prettier-ignore
});

test('replace keeps types and columns that are frozen: neither may one go', async () => {
  const { resource, second } = await grow('csv', { types: 'discard_value', columns: 'discard_value' }, 'replace');
  expect((await second()).loads[0]!.discarded).toEqual({ n: 1, tip: 1 });
  expect(await typeOf(resource.table, 'n')).toBe('bigint');
  await bench.write(`${resource.id}/a.csv`, 'id\n9\n');
  await expect(second()).rejects.toMatchObject({
    code: 'ELT_CONTRACT',
    message: expect.stringContaining('it has no column "n", which the table has') as unknown,
  });
  expect(await values(resource.table)).toHaveLength(3);
});

test('tables: freeze makes no table', async () => {
  const resource = resourceOf({ id: 'new', source: 'new', table: 'new', path: 'new.csv', contract: { tables: 'freeze' } }); // prettier-ignore
  await bench.write('new.csv', 'id\n1\n');
  await expect(bench.run(resource)).rejects.toMatchObject({ code: 'ELT_CONTRACT' });
});

test('counts of dropped values survive an attempt that breaks in the middle', async () => {
  const { resource } = await grow('csv', { types: 'discard_value' });
  await bench.write(`${resource.id}/b.csv`, `id,n\n${Array.from({ length: 90 }, (_, index) => `${index},x${index}`).join('\n')}\n`); // prettier-ignore
  process.env['PLUMBLINE_FAILPOINTS'] = 'load.before-commit=error@2';
  await expect(bench.run(resource, { chunkRows: 30 })).rejects.toThrow('failpoint');
  delete process.env['PLUMBLINE_FAILPOINTS'];
  const { loads } = await bench.run(resource, { chunkRows: 30 });
  expect(loads[1]).toMatchObject({ resumedFromRow: 31, rowsLoaded: 90, discarded: { n: 90 } });
});
