import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { normalKey } from '../../../src/elt/forget/key-hash.js';
import { redactObject } from '../../../src/elt/forget/redact-object.js';
import type { ColumnType, CsvOptions } from '../../../src/model/project.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function left(content: string, csv: CsvOptions, type: ColumnType, value: string): Promise<string> {
  const [path, target] = [join(folder, 'people.csv'), join(folder, 'rewritten')];
  await writeFile(path, content);
  const isTheirs = (text: string): boolean => text === value || normalKey(text, type) === normalKey(value, type);
  const rows = await redactObject({ path, file: 'people.csv', resource: { format: 'csv', csv }, column: 'id', type, isTheirs, value, target, folder }); // prettier-ignore
  return rows === 0 ? 'all' : readFile(target, 'utf8');
}

test('a key is looked for as the file writes numbers and dates', async () => {
  const german = { decimal: ',', thousands: '.', dateFormat: 'DD.MM.YYYY' } as const;
  expect(await left('id;n\n1.234;a\n1.235;b\n', german, 'bigint', '1234')).toBe('id;n\n1.235;b\n');
  expect(await left('id;n\n1.234;a\n1.235;b\n', german, 'numeric', '1.234')).toBe('all');
  expect(await left('id;n\n1.234;a\n1.235;b\n', german, 'text', '1.234')).toBe('id;n\n1.235;b\n');
  expect(await left('id;n\n31.12.1999;a\n1.1.2000;b\n', german, 'date', '2000-01-01')).toBe('id;n\n31.12.1999;a\n');
});
