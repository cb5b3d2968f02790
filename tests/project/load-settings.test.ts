import { expect, it } from 'vitest';
import { TerminalError } from '../../src/errors.js';
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
});

it.each([
  ['path: a.csv, merge: scd2', 'is merged and has no "primary_key"'],
  ['path: a.csv, write: append, primary_key: id, merge: scd2', 'has "merge" and write: append'],
  ['path: a.csv, primary_key: id, merge: { key: id }', 'has merge.key, which upsert does not use'],
  ['path: a.csv, primary_key: id, merge: { when_gone: keep }', 'has merge.when_gone, which upsert does not use'],
  ['path: "*.csv", primary_key: id, merge: { strategy: scd2, when_gone: close }', 'a load is not all of the source'],
  ['path: a.csv, merge: scd3', 'expected upsert, delete-insert, scd2'],
  ['path: a.csv, write: append, anomaly: fail', 'has "anomaly" and write: append'],
  ['path: a.csv, anomaly: { mode: fail, deviations: 0 }', 'expected a number above 0'],
  ['path: a.csv, contract: { columns: discard }', 'expected evolve, freeze, discard_row or discard_value'],
  ['path: a.csv, contract: { tables: discard_row }', 'expected evolve or freeze'],
])('%s: %s', async (settings, message) => {
  expect(await problemOf(settings)).toContain(message);
});

it('keeps what is said of a contract, and prints the rest of it', async () => {
  const { resources, defaults } = await project('path: a.csv, contract: { columns: freeze }');
  expect(resources[0]!.contract).toEqual({ columns: 'freeze' });
  expect(defaults.filter((line) => line.includes('contract'))).toEqual(['sources.a.contract = types evolve']);
  expect((await project('path: "*.csv"')).defaults).toContain('sources.a.contract = columns evolve, types discard_row');
});
