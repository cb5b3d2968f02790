import { expect, it } from 'vitest';
import { TerminalError } from '../../src/errors.js';
import { childTables } from '../../src/model/child-tables.js';
import { loadProject } from '../../src/project/load-project.js';
import { writeProject } from './write-project.js';

const project = async (settings: string) =>
  loadProject({ root: await writeProject({ 'plumbline.yaml': `name: shop\nsources:\n  a: { ${settings} }\n` }) });
const problemOf = async (settings: string): Promise<string> => {
  const error: unknown = await project(settings).catch((caught: unknown) => caught);
  if (!(error instanceof TerminalError)) throw new Error('expected a problem');
  return error.message;
};

it('says how rows are merged only where it is more than an upsert', async () => {
  const merge = async (settings: string) => {
    const { resources, defaults } = await project(settings);
    const { write, merge: merged } = resources[0]!;
    return { write, merge: merged, said: defaults.filter((line) => /\.write|when_gone/.test(line)) };
  };
  expect(await merge('path: a.csv, write: merge, primary_key: id, merge: upsert')).toEqual({
    write: 'merge',
    said: [],
  });
  expect(await merge('path: a.csv, primary_key: id, merge: scd2')).toEqual({
    write: 'merge',
    merge: { strategy: 'scd2', closesGone: true },
    said: ['sources.a.write = merge (`merge` is set)', 'sources.a.merge.when_gone = close (each load is everything)'],
  });
  expect((await merge('path: "*.csv", write: merge, primary_key: id, merge: scd2')).merge).toEqual({
    strategy: 'scd2',
  });
  expect((await merge('path: a.csv, merge: { strategy: delete-insert, key: order, hard_delete: gone }')).merge).toEqual(
    { strategy: 'delete-insert', key: ['order'], hardDelete: 'gone' },
  );
  const api = 'type: http, url: "https://a.org", path: /a, primary_key: id, merge: scd2';
  expect((await merge(api)).merge).toEqual({ strategy: 'scd2', closesGone: true });
  expect((await merge(`${api}, cursor: { field: at, param: since }`)).merge).toEqual({ strategy: 'scd2' });
  // Code says by its checkpoints whether a load is everything, a tap by the versions of its table.
  const kept = ['sources.a.write = merge (`merge` is set)', 'sources.a.merge.when_gone = keep (a load may be a part)'];
  for (const source of ['type: plugin, module: "@shop/a", primary_key: id', 'type: singer, command: [tap]'])
    expect(await merge(`${source}, merge: scd2`)).toEqual({ write: 'merge', merge: { strategy: 'scd2' }, said: kept });
  const table = 'type: postgres, connection: env:A, table: a, primary_key: id, merge: scd2';
  expect((await merge(table)).merge).toEqual({ strategy: 'scd2', closesGone: true });
  expect((await merge(`${table}, deletes: reconcile`)).merge).toEqual({ strategy: 'scd2' });
});

const POSTGRES = 'type: postgres, connection: env:A, table: a';
it.each([
  ['path: a.csv, merge: scd2', 'is merged and has no "primary_key"'],
  ['path: a.csv, write: append, primary_key: id, merge: scd2', 'has "merge" and write: append'],
  ['path: a.csv, primary_key: id, merge: { key: id }', 'has merge.key, which upsert does not use'],
  ['path: a.csv, primary_key: id, merge: { when_gone: keep }', 'has merge.when_gone, which upsert does not use'],
  ['path: "*.csv", primary_key: id, merge: { strategy: scd2, when_gone: close }', 'a load is not all of the source'],
  ['path: a.csv, merge: scd3', 'expected upsert, delete-insert, scd2'],
  ['type: singer, command: [tap], merge: { strategy: scd2, when_gone: close }', 'or it is a tap'],
  [`${POSTGRES}, deletes: reconcile`, 'deletes is reconcile, and write is replace'],
  [`${POSTGRES}, write: merge, merge: { key: id, strategy: delete-insert }, deletes: reconcile`, 'there is no "primary_key" to tell gone rows by'],
  [`${POSTGRES}, primary_key: id, merge: { strategy: scd2, when_gone: keep }, deletes: reconcile`, 'merge.when_gone says as well'],
  [`${POSTGRES}, deletes: mark`, 'expected keep or reconcile'],
  ['path: a.csv, anomaly: { mode: fail, deviations: 0 }', 'expected a number above 0'],
  ['path: a.csv, contract: { columns: discard }', 'expected evolve, freeze, discard_row or discard_value'],
  ['path: a.csv, contract: { tables: discard_row }', 'expected evolve or freeze'],
])('%s: %s', async (settings, message) => {
  expect(await problemOf(settings)).toContain(message);
}); // prettier-ignore

it('keeps what is said of a contract, and prints the rest of it', async () => {
  const { resources, defaults } = await project('path: a.csv, contract: { columns: freeze }');
  expect(resources[0]!.contract).toEqual({ columns: 'freeze' });
  expect(defaults.filter((line) => line.includes('contract'))).toEqual(['sources.a.contract = types evolve']);
  expect(defaults).toContain('sources.a.anomaly = warn');
  expect((await project('path: "*.csv"')).defaults).toContain('sources.a.anomaly = off');
  expect((await project('path: "*.csv"')).defaults).toContain('sources.a.contract = columns evolve, types discard_row');
});

it('names child tables, in whatever form they are given, and refuses what cannot be one', async () => {
  const children = async (settings: string) =>
    childTables((await project(`path: a.ndjson, ${settings}`)).resources[0]!).map(
      ({ path, table }) => `${path} ${table}`,
    );
  expect(await children('children: lineItems')).toEqual(['lineItems a_line_items']);
  expect(await children('children: [x, "Y z"]')).toEqual(['x a_x', 'Y z a_y_z']);
  expect(await children('children: { x: { table: other, children: { y: } }, z: }')).toEqual([
    'x other',
    'x.y other_y',
    'z a_z',
  ]);
  const keeps = await project('path: a.ndjson, primary_key: id, merge: scd2, children: x');
  expect(keeps.defaults).toContain('sources.a.children.x.table = a_x');
  expect(keeps.resources[0]!.children).toMatchObject([{ field: 'x', keepsColumn: true }]);
  for (const [settings, expected] of [
    ['primary_key: x, children: x', 'children has x, which is a key of the rows'],
    ['columns: { x: text }, children: x', 'declares x as text, and a column with a child table is jsonb'],
    ['children: { x: , y: { table: x } }', "source('a', 'x') would be both the table a_x and the child table x"],
    ['children: { x: { table: a } }', 'a and children.x of a would both be the table a'],
    ['primary_key: id, merge: scd2, children: { x: { keep: false } }', 'scd2 tells from the column'],
    ['children: { x: { tabel: b } }', 'has no key "tabel"'],
    [`children: ${'x'.repeat(60)}`, 'expected small letters, digits and _, at most 50'],
  ] as const)
    expect(await problemOf(`path: a.ndjson, ${settings}`)).toContain(expected);
  const personal = await problemOf('path: a.ndjson, children: x }\npersonal: { who: { sources: { a.x: mail } }');
  expect(personal).toContain('personal.who.sources.a.x names a child table, whose rows are forgotten with those of a');
});
