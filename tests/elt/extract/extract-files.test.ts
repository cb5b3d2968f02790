import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { extractFiles } from '../../../src/elt/extract/extract-files.js';
import { matchFiles } from '../../../src/elt/extract/match-files.js';
import type { ArtifactStore } from '../../../src/model/artifact.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { zip } from '../../support/zip.js';
import { openWorkbench, resourceOf, type Workbench } from '../load/workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
  for (const path of [
    'd/b.csv',
    'd/a.csv',
    'd/.hidden.csv',
    'd/e/c.csv',
    'd/e/f/d.csv',
    'd/x.ndjson',
    'd/[1] {2}.csv',
    'd/ä.csv',
  ])
    await bench.write(path, `id\n1\n`);
});
afterAll(() => bench.close());

const paths = async (path: string): Promise<string[]> =>
  (await matchFiles(bench.root, resourceOf({ path }))).map((file) => file.path);

test.each([
  ['d/a.csv', ['d/a.csv']],
  ['./d/../d/a.csv', ['d/a.csv']],
  ['d/*.csv', ['d/[1] {2}.csv', 'd/a.csv', 'd/b.csv', 'd/ä.csv']],
  ['d/?.csv', ['d/a.csv', 'd/b.csv', 'd/ä.csv']],
  ['d/[ab].{csv,ndjson}', ['d/a.csv', 'd/b.csv']],
  ['d/[!b].csv', ['d/a.csv', 'd/ä.csv']],
  ['d/**/*.csv', ['d/[1] {2}.csv', 'd/a.csv', 'd/b.csv', 'd/e/c.csv', 'd/e/f/d.csv', 'd/ä.csv']],
  ['d/*/*.csv', ['d/e/c.csv']],
  ['**/d.csv', ['d/e/f/d.csv']],
  ['d/[1] {2}.csv', ['d/[1] {2}.csv']],
  ['d/.*.csv', ['d/.hidden.csv']],
])('%s names its files in the order of their paths', async (pattern, expected) => {
  expect(await paths(pattern)).toEqual(expected);
});

test('an absolute pattern gives absolute paths', async () => {
  expect(await paths(join(bench.root, 'd/a*.csv'))).toEqual([join(bench.root, 'd/a.csv')]);
});

test('a name that is not UTF-8 is told where a glob wants it, and not passed over', async () => {
  const latin1 = (path: string): Buffer => Buffer.concat([Buffer.from(`${bench.root}/odd/${path}`), Buffer.of(0xe9)]);
  await bench.write('odd/\ufffd.csv', 'id\n1\n');
  await mkdir(latin1('folder'));
  expect(await paths('odd/*.csv')).toEqual(['odd/\ufffd.csv']);
  await expect(paths('odd/**/*.csv')).rejects.toMatchObject({ code: 'ELT_FILE_UNREADABLE', terminal: true });
  await writeFile(latin1('file.csv'), 'id\n2\n');
  expect(await paths('odd/*.csv')).toEqual(['odd/\ufffd.csv']);
  await expect(paths('odd/file*')).rejects.toThrow('the name "file.csv\ufffd" in');
});

test('a link to a folder that leads back is not followed', async () => {
  await symlink(join(bench.root, 'd'), join(bench.root, 'd/e/loop'));
  expect(await paths('d/**/a.csv')).toEqual(['d/a.csv']);
});

let reads = 0;
/** Counts the files that are read. */
const extractAt = (resource: ResourceConfig, now: Date, force = false) => {
  const { store } = bench;
  const counted: ArtifactStore = { ...store, put: (content) => (reads++, store.put(content)) };
  return extractFiles({
    ...{ database: bench.database, store: counted, env: 'dev', project: 'demo', root: bench.root, runId: 'r' },
    ...{ resource, now, force },
  });
};
/** Long enough after a write that its clock's grain does not matter. */
const soon = (): Date => new Date(Date.now() + 60_000);

test.each(['{a,b.csv', '[z-a].csv', '**{'])('a glob with a mistake matches nothing: %s', async (path) => {
  await expect(matchFiles(bench.root, resourceOf({ id: 'glob', path }))).rejects.toMatchObject({
    code: 'ELT_FILE_MISSING',
    next: expect.stringContaining('have to end') as string,
  });
});

test('each content of a path has one line; an untouched file is not read again unless --force asks for it', async () => {
  const resource = resourceOf({ id: 'lines', path: 'm.csv' });
  const file = join(bench.root, 'm.csv');
  const long = new Date('2024-01-01T00:00:00Z');
  const write = async (content: string) => {
    await writeFile(file, content);
    await utimes(file, long, long);
  };
  await write('id\n1\n');
  const [first] = await extractAt(resource, soon());
  expect(first).toMatchObject({ path: 'm.csv', bytes: 5, isUnchanged: false });
  const before = reads;
  expect(await extractAt(resource, soon())).toMatchObject([{ sha256: first!.sha256, isUnchanged: true }]);
  expect(reads).toBe(before);
  expect(await extractAt(resource, soon(), true)).toMatchObject([{ sha256: first!.sha256, isUnchanged: true }]);
  expect(reads).toBe(before + 1);
  // Same size and time of writing, other content.
  await write('id\n2\n');
  const [changed] = await extractAt(resource, soon());
  expect(changed).toMatchObject({ isUnchanged: false });
  expect((await bench.store.read(changed!.sha256)).toString()).toBe('id\n2\n');
  expect(
    await bench.database.query(`SELECT path, bytes::int FROM plumbline.raw_objects WHERE resource = 'lines'`),
  ).toEqual([
    { path: 'm.csv', bytes: 5 },
    { path: 'm.csv', bytes: 5 },
  ]);
});

test('a member of a zip archive is read again when its checksum is another, whatever size and time say', async () => {
  const resource = resourceOf({ id: 'members', path: 'z.zip', member: '*.csv', write: 'append' });
  const file = join(bench.root, 'z.zip');
  const long = new Date('2024-01-01T00:00:00Z');
  const extract = async (a: string) => {
    await writeFile(file, zip([{ name: 'a.csv', content: a }, { name: 'b.csv', content: 'id\n9\n' }])); // prettier-ignore
    await utimes(file, long, long);
    return extractAt(resource, soon());
  };
  const first = await extract('id\n1\n');
  const before = reads;
  expect(await extract('id\n1\n')).toMatchObject(first.map(({ sha256 }) => ({ sha256, isUnchanged: true })));
  expect(reads).toBe(before);
  const second = await extract('id\n2\n');
  expect(second).toMatchObject([{ isUnchanged: false }, { sha256: first[1]!.sha256, isUnchanged: true }]);
  expect(reads).toBe(before + 1);
});

test('a file written a moment ago is read again, whatever its times say, but not for ever', async () => {
  const resource = resourceOf({ id: 'fresh', path: 'fresh.csv' });
  const now = new Date();
  await writeFile(join(bench.root, 'fresh.csv'), 'id\n1\n');
  const [first] = await extractAt(resource, now);
  const before = reads;
  expect(await extractAt(resource, soon())).toMatchObject([{ sha256: first!.sha256, isUnchanged: true }]);
  expect(reads).toBe(before + 1);
  await extractAt(resource, soon());
  expect(reads).toBe(before + 1);
});
