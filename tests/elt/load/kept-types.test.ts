import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

async function load(table: string, content: string, more: Partial<ResourceConfig> = {}) {
  await bench.write(`${table}.csv`, content);
  const { loads } = await bench.run(
    resourceOf({ id: table, source: table, table, path: `${table}.csv`, maxRejectedShare: 0.2, ...more }),
  );
  return loads[0]!;
}
const typesOf = async (table: string, content: string, more: Partial<ResourceConfig> = {}): Promise<string> =>
  (await load(table, content, more)).columns.map(({ name, type }) => `${name} ${type}`).join(', ');

test('a table that is made anew has no narrower type than before, unless it is declared', async () => {
  expect(await typesOf('kept', 'code,price,at,n,gone\nA1,1.5,2024-01-01 10:00,1,5\n')).toBe(
    'code text, price double precision, at timestamp, n bigint, gone bigint',
  );
  expect(await typesOf('kept', 'code,price,at,n,gone\n11,2,2024-01-02,2,\n')).toBe(
    'code text, price double precision, at timestamp, n bigint, gone bigint',
  );
  // A double would not hold them.
  expect(await typesOf('kept', 'code,price,at,n,gone\n12,9007199254740993,2024-01-02,2.5,x\n')).toBe(
    'code text, price numeric, at timestamp, n double precision, gone text',
  );
  expect(await bench.rows('kept', 'code, price::text, n::float8')).toEqual([{ code: '12', price: '9007199254740993', n: 2.5 }]); // prettier-ignore
  expect(await typesOf('kept', 'code,price,at,n,gone\n12,2,2024-01-02,2,1\n', { columns: { code: 'bigint' } })).toBe(
    'code bigint, price numeric, at timestamp, n double precision, gone text',
  );
});

test('a value that a text holds is no misfit', async () => {
  const rows = (last: string): string => `v\n${'1\n'.repeat(9)}${last}\n`;
  expect((await load('misfit', rows('x'))).notices).toEqual([
    'Column "v" is read as bigint; 1 of its values is not and its row is quarantined.',
  ]);
  await load('misfits', rows('x'), { maxRejectedShare: 0 });
  expect(await load('misfits', rows('y'))).toMatchObject({ rowsRejected: 0, notices: [] });
  const append = { write: 'append', contract: { types: 'evolve' } } as const;
  expect(await load('misfits', rows('z'), append)).toMatchObject({ rowsRejected: 0, notices: [] });
});

test('one bad row of several is never too many, unless none is allowed', async () => {
  const few = { columns: { v: 'bigint' }, maxRejectedShare: 0.01 } as const;
  expect(await load('few', 'v\n1\nx\n', few)).toMatchObject({ rowsLoaded: 1, rowsRejected: 1 });
  const refused = { code: 'ELT_TOO_MANY_REJECTS' };
  await expect(load('few', 'v\n1\nx\ny\n', few)).rejects.toMatchObject(refused);
  await expect(load('few', 'v\nx\n', few)).rejects.toMatchObject(refused);
  await expect(load('few', 'v\n1\nz\n', { ...few, maxRejectedShare: 0 })).rejects.toMatchObject(refused);
});
