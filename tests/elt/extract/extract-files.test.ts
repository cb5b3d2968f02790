import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { extractFiles } from '../../../src/elt/extract/extract-files.js';
import { matchFiles } from '../../../src/elt/extract/match-files.js';
import type { ResourceConfig } from '../../../src/model/project.js';
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

const extractAt = (resource: ResourceConfig, now: Date) =>
  extractFiles({
    ...{ database: bench.database, store: bench.store, env: 'dev', project: 'demo', root: bench.root, runId: 'r' },
    ...{ resource, now },
  });

test.each(['{a,b.csv', '[z-a].csv', '**{'])('a glob with a mistake matches nothing: %s', async (path) => {
  await expect(matchFiles(bench.root, resourceOf({ id: 'glob', path }))).rejects.toMatchObject({
    code: 'ELT_FILE_MISSING',
    next: expect.stringContaining('have to end') as string,
  });
});

test('each content of a path has one line; an untouched file is not read again', async () => {
  const resource = resourceOf({ id: 'lines', path: 'm.csv' });
  const file = join(bench.root, 'm.csv');
  const long = new Date('2024-01-01T00:00:00Z');
  const extract = () => extractAt(resource, new Date());
  await writeFile(file, 'id\n1\n');
  await utimes(file, long, long);
  expect(await extract()).toMatchObject([{ path: 'm.csv', bytes: 5, isUnchanged: false }]);
  // Same size and time, other content: taken for the known one, which shows that the file was not read.
  await writeFile(file, 'id\n2\n');
  await utimes(file, long, long);
  const [known] = await extract();
  expect(known).toMatchObject({ isUnchanged: true });
  await utimes(file, long, new Date('2024-01-02T00:00:00Z'));
  const [changed] = await extract();
  expect(changed).toMatchObject({ isUnchanged: false });
  expect(changed!.sha256).not.toBe(known!.sha256);
  expect((await bench.store.read(changed!.sha256)).toString()).toBe('id\n2\n');
  expect(
    await bench.database.query(`SELECT path, bytes::int FROM plumbline.raw_objects WHERE resource = 'lines'`),
  ).toEqual([
    { path: 'm.csv', bytes: 5 },
    { path: 'm.csv', bytes: 5 },
  ]);
});

test('a file written a moment ago is read again, whatever its time says', async () => {
  const resource = resourceOf({ id: 'fresh', path: 'fresh.csv' });
  const now = new Date();
  const extract = (at: Date) => extractAt(resource, at);
  await writeFile(join(bench.root, 'fresh.csv'), 'id\n1\n');
  await utimes(join(bench.root, 'fresh.csv'), now, now);
  const [before] = await extract(now);
  await writeFile(join(bench.root, 'fresh.csv'), 'id\n2\n');
  await utimes(join(bench.root, 'fresh.csv'), now, now);
  expect((await extract(now))[0]!.sha256).not.toBe(before!.sha256);
});

test('a file written a moment before it was read is not read for ever', async () => {
  const written = new Date();
  const later = new Date(written.getTime() + 60_000);
  const extract = (now: Date) => extractAt(resourceOf({ id: 'moment', path: 'moment.csv' }), now);
  const file = join(bench.root, 'moment.csv');
  await writeFile(file, 'id\n1\n');
  await utimes(file, written, written);
  await extract(written);
  const [known] = await extract(later);
  // Other content of the same size and time: taken for the known one, which shows that the file was not read.
  await writeFile(file, 'id\n2\n');
  await utimes(file, written, written);
  expect(await extract(later)).toMatchObject([{ sha256: known!.sha256, isUnchanged: true }]);
});
