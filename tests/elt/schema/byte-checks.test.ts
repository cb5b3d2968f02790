import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { DuckDBConnection } from '@duckdb/node-api';
import { withDuckDB } from '../../../src/elt/read/duckdb.js';
import { byteCheck } from '../../../src/elt/schema/byte-checks.js';
import { isValid } from '../../../src/elt/schema/type-rules.js';
import type { ColumnType } from '../../../src/model/project.js';
import { openDatabase, type OpenDatabase } from '../../../src/storage/database.js';
import { giveValues } from './give-values.js';
import { CHECKED_TYPES, NEARLY_VALUES, mutated } from './nearly-values.js';

let answers: (type: ColumnType, values: readonly string[]) => Promise<boolean[]>;
let close: () => void;
let postgres: OpenDatabase;
beforeAll(async () => {
  postgres = openDatabase({ url: inject('postgresUrl') });
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-checks-'));
  let lend!: (connection: DuckDBConnection) => void;
  const connected = new Promise<DuckDBConnection>((resolve) => (lend = resolve));
  const closed = new Promise<void>((resolve) => (close = resolve));
  void withDuckDB({ folder, extraMemoryMb: 0 }, async (open) => (lend(await open()), closed)).finally(() =>
    rm(folder, { recursive: true, force: true }),
  );
  const duckdb = await connected;
  answers = async (type, values) => {
    await giveValues(duckdb, values);
    const result = await duckdb.runAndReadAll(`SELECT coalesce(${isValid(type, 'v')}, false) FROM given ORDER BY i`);
    return result.getRowsJS().map(([valid]) => valid === true);
  };
});
afterAll(async () => {
  close();
  await postgres.close();
});

const isValue = (type: ColumnType, value: string): boolean => {
  const bytes = Buffer.from(`,${value},`);
  return byteCheck(type)(bytes, 1, bytes.length - 1);
};

const seed = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Date.now() % 2 ** 31);
/** Whether PostgreSQL reads a text as a type at all, rounding and all. */
async function isRead(type: ColumnType, values: readonly string[]): Promise<boolean[]> {
  const rows = await postgres.query<{ valid: boolean }>(
    `SELECT pg_input_is_valid(v, $2) AS valid FROM unnest($1::text[]) WITH ORDINALITY AS t (v, i) ORDER BY i`,
    [values, type],
  );
  return rows.map(({ valid }) => valid);
}

it.each(CHECKED_TYPES)('takes for %s what DuckDB and PostgreSQL take for it', async (type) => {
  const values = [...NEARLY_VALUES, ...fc.sample(mutated, { numRuns: 5_000, seed })];
  const [duckdb, read] = [await answers(type, values), await isRead(type, values)];
  const different = values.flatMap((value, index) =>
    isValue(type, value) === (duckdb[index]! && read[index]!)
      ? []
      : [`${JSON.stringify(value)}: DuckDB says ${duckdb[index]}, PostgreSQL ${read[index]}`],
  );
  expect(different.slice(0, 20), `seed ${seed}`).toEqual([]);
});

it('takes for jsonb what is JSON, to the letter', () => {
  for (const json of ['1', '"ä😀"', ' {"a": [1, null, true]} ', '1e999', '123456789012345678901234567890.5'])
    expect(isValue('jsonb', json), json).toBe(true);
  for (const other of ['', '{', '[1,]', 'NaN', "{'a': 1}", '\u00a01', '01', '"\t"', 'ä'])
    expect(isValue('jsonb', other), other).toBe(false);
});

it('takes for jsonb what JSON.parse takes', () => {
  const changed = fc
    .tuple(
      fc.json({ depthSize: 'medium' }),
      fc.nat(60),
      fc.nat(2),
      fc.constantFrom(...'{}[]",:\\/u0123456789.eE+-tfn \t\n\u0001ä'),
    )
    .map(([json, place, kind, character]) => {
      const at = place % (json.length + 1);
      return json.slice(0, at) + (kind === 1 ? '' : character) + json.slice(kind === 0 ? at : at + 1);
    });
  const counted = { yes: 0, no: 0 };
  for (const text of fc.sample(fc.oneof(fc.json(), changed), { numRuns: 10_000, seed })) {
    let parses = true;
    try {
      JSON.parse(text);
    } catch {
      parses = false;
    }
    counted[parses ? 'yes' : 'no']++;
    expect(isValue('jsonb', text), `seed ${seed}: ${JSON.stringify(text)}`).toBe(parses);
  }
  expect(counted.yes).toBeGreaterThan(1_000);
  expect(counted.no).toBeGreaterThan(1_000);
});

it('takes JSON of any depth', () => {
  expect(isValue('jsonb', '[{"a":'.repeat(20_000) + '1' + '}]'.repeat(20_000))).toBe(true);
  expect(isValue('jsonb', '['.repeat(20_000))).toBe(false);
});
