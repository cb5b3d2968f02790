import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openReadingThread, type ReadRequest } from '../../../src/elt/load/reading-thread.js';
import { LineIndex } from '../../../src/elt/read/line-index.js';
import { resourceOf, schemas } from './workbench.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-reading-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function request(files: Readonly<Record<string, string>>): ReadRequest {
  const resource = resourceOf({ path: 'nowhere', columns: { id: 'bigint' }, maxRejectedShare: 0.5 });
  return {
    settings: { resource, schemas, existing: undefined, maxRows: 3 },
    folder,
    objects: Object.entries(files).map(([file, content], index) => ({
      path: 'nowhere',
      content: Buffer.from(content),
      file,
      loadId: String(index + 1),
    })),
  };
}

test('reads CSV files whole, with their lines and bad rows, and leaves what is none', async () => {
  const thread = openReadingThread()!;
  const clean = 'id,note\n1,"two\nlines"\nx,bad\n3,\n';
  const files = {
    'a.csv': clean,
    'b.csv': 'id\n1,2\n3\n',
    'c.json': '[{"id":1}]',
    'd.csv': '',
    'e.csv': 'id\n1\n2\n3\n4\n',
  };
  // Both are under way at once.
  const [mixed, again] = await Promise.all([thread.read(request(files)), thread.read(request({ 'f.csv': clean }))]);
  await thread.release();
  expect(mixed.map((one) => one !== undefined)).toEqual([true, true, false, false, false]);
  expect(mixed[1]).toMatchObject({ rows: 1, faults: [{ row: 1, line: 2, raw: '1,2' }] });
  for (const read of [mixed[0]!, again[0]!]) {
    expect(read).toMatchObject({
      reader: {
        rows: 3,
        columns: [
          { name: 'id', type: 'bigint' },
          { name: 'note', type: 'text' },
        ],
        profile: { rows: 3 },
      },
      format: 'binary',
      rows: 2,
      faults: [{ row: 2, line: 4, column: 'id', value: 'x' }],
    });
    expect(new LineIndex(read.lines).lineOf(3)).toBe(5);
    expect(read.blocks.every((block) => Buffer.isBuffer(block))).toBe(true);
  }
});

test('one that breaks leaves all to whoever asked', async () => {
  const file = join(folder, 'breaks.mjs');
  await writeFile(
    file,
    `import { parentPort } from 'node:worker_threads'; parentPort.once('message', () => process.exit(1));`,
  );
  const thread = openReadingThread(pathToFileURL(file))!;
  const asked = [thread.read(request({ 'a.csv': 'id\n1\n' })), thread.read(request({ 'b.csv': '', 'c.csv': '' }))];
  expect(await Promise.all(asked)).toEqual([[undefined], [undefined, undefined]]);
  expect(await thread.read(request({ 'd.csv': 'id\n1\n' }))).toEqual([undefined]);
  await thread.release();
  expect(openReadingThread(pathToFileURL(join(folder, 'none.mjs')))).toBeUndefined();
});
