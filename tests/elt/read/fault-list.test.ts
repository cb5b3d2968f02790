import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { byteSource } from '../../../src/elt/read/open-bytes.js';
import { scanCsv } from '../../../src/elt/read/scan-csv.js';
import { scanNdjson } from '../../../src/elt/read/scan-ndjson.js';

const ROWS = 600_000;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function written(name: string, line: (index: number) => string): Promise<ReturnType<typeof byteSource>> {
  const path = join(folder, name);
  await writeFile(path, Array.from({ length: ROWS }, (_, index) => `${line(index)}\n`).join(''), 'latin1');
  return byteSource(path, name);
}

it('a CSV file whose rows all end with a delimiter too many is refused before its faults fill the memory', async () => {
  const source = await written('trailing.csv', (index) =>
    index === 0 ? 'id,day,note' : `${index},2024-01-01,a note,`,
  );
  const refused = await scanCsv(source).then(
    () => undefined,
    (error: unknown) => error as { code: string; message: string; context: { details: { refused: number } } },
  );
  expect(refused).toMatchObject({ code: 'ELT_FILE_MALFORMED' });
  expect(refused!.message).toMatch(
    /^Reading trailing\.csv failed: \d+ of its first \d+ rows are refused, more than are kept of one file\. The first: line 2: too many fields: 4, expected 3\.$/,
  );
});

it('marks of inches in all rows of a CSV file are text, however many they are', async () => {
  const source = await written('inches.csv', (index) =>
    index === 0 ? 'id,size' : `${index},"${index % 9}" pipe of steel`,
  );
  const { rows, faults, dialect } = await scanCsv(source);
  expect({ rows, faults, quote: dialect.quote }).toEqual({ rows: ROWS - 1, faults: [], quote: undefined });
});

it('lines between the objects of an NDJSON file that are none are refused before they fill the memory', async () => {
  const source = await written('lines.ndjson', (index) =>
    index % 10 === 0 ? `{"id": ${index}}` : `${index} is no UTF-8: \xff`,
  );
  await expect(scanNdjson(source)).rejects.toMatchObject({
    code: 'ELT_FILE_MALFORMED',
    message: expect.stringContaining('The first: line 2: not valid UTF-8') as string,
  });
});
