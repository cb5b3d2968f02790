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

const TYPES: readonly ColumnType[] = [
  'boolean',
  'bigint',
  'double precision',
  'numeric',
  'numeric(12,2)',
  'numeric(38,9)',
  'numeric(3,3)',
  'date',
  'timestamp',
  'timestamptz',
  'time',
  'uuid',
  'bytea',
];

/** Values of every type, and what is nearly one. */
const SEEDS = [
  ...[
    '',
    ' ',
    '+',
    '-',
    '.',
    'e',
    'x',
    '0',
    '-0',
    '+7',
    '007',
    '1.',
    '.5',
    '-.5',
    '+.5',
    '1.50',
    '12.345',
    '1e5',
    '1E-5',
  ],
  ...['1e400', '-1e400', '1e-400', '0e-400', '0.0e999', '1e308', '2e308', '1e99999', '4.9e-324', '1e-330', '1e+05'],
  ...[
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '-9223372036854775809',
    '+9223372036854775807',
  ],
  ...[
    '000000000000000000000012',
    '9007199254740993',
    '1234567890.12',
    '12345678901.12',
    '0.000',
    '0.001',
    '0.0001',
    '00.10',
  ],
  ...['12345678901234567890123456789.123456789', '123456789012345678901234567890.1', '.123', '1.123', '.1230000'],
  ...[
    'nan',
    'NaN',
    'inf',
    '-Infinity',
    '+inf',
    'infinity',
    'infinit',
    'true',
    'T',
    'yes',
    'ON',
    'of',
    'fals',
    ' 1 ',
    '2',
  ],
  ...['2024-02-29', '2023-02-29', '1900-02-29', '2000-02-29', '0000-01-01', '0001-01-01', '9999-12-31', '2024-13-01'],
  ...['2024-00-10', '2024-1-10', '2024-01-32', '2024-01-00', ' 2024-01-01 ', '2024/01/01', '20240101', '2024-04-31'],
  ...['2024-01-01 10:20', '2024-01-01T10:20:30', '2024-01-01 10:20:30.123456', '2024-01-01 10:20:30.1234567'],
  ...[
    '2024-01-01 10:20:30.1234560',
    '2024-01-01 10:20:30.',
    '2024-01-01 24:00',
    '2024-01-01 23:60',
    '2024-01-01  10:20',
  ],
  ...[
    '2024-01-01 10:20:30Z',
    '2024-01-01 10:20:30 Z',
    '2024-01-01 10:20:30  Z',
    '2024-01-01 10:20:30+02',
    '2024-01-01T10:20+0230',
  ],
  ...[
    '2024-01-01 10:20:30-15:59',
    '2024-01-01 10:20:30-16:00',
    '2024-01-01 10:20:30 UTC',
    '2024-01-01 10:20:30+2',
    '2024-01-01Z',
  ],
  ...[
    '2024-01-01 10:20:30+02:60',
    '2024-01-01+02',
    '2024-02-30 10:20:30Z',
    '2024-01-01 10:20:30.5+00:00',
    '0000-12-31 10:00Z',
  ],
  ...[
    '2024-01-01 10:20:30.123456000Z',
    '2024-01-01 10:20:30utc',
    '2024-01-01 10:20:30z',
    '10:20',
    '10:20:30',
    '10:20:30.000001',
  ],
  ...['24:00:00', '1:20', '10:20:3', '10:2', '10:20:60', '10:20:30.12345670', '6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b'],
  ...[
    '6EC0BD7F-11C0-43DA-975E-2A8AD9EBAE0B',
    '6ec0bd7f11c043da975e2a8ad9ebae0b',
    '\\x',
    '\\xDEad',
    '\\xabc',
    '\\x0g',
    'Ünï',
    '１２',
  ],
];

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
    await duckdb.run('CREATE OR REPLACE TEMP TABLE given (i INTEGER, v VARCHAR)');
    const appender = await duckdb.createAppender('given');
    values.forEach((value, index) => {
      appender.appendInteger(index);
      appender.appendVarchar(value);
      appender.endRow();
    });
    appender.closeSync();
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
const alphabet = [...'0123456789+-.:eE TZxnaiftyUC\\'];
/** A value with a character put in, taken out or changed. */
const mutated = fc
  .tuple(fc.constantFrom(...SEEDS), fc.nat(40), fc.nat(2), fc.constantFrom(...alphabet))
  .map(([value, place, kind, character]) => {
    const at = Math.min(place, value.length);
    return value.slice(0, at) + (kind === 1 ? '' : character) + value.slice(kind === 0 ? at : at + 1);
  });

/** Whether PostgreSQL reads a text as a type at all, rounding and all. */
async function isRead(type: ColumnType, values: readonly string[]): Promise<boolean[]> {
  const rows = await postgres.query<{ valid: boolean }>(
    `SELECT pg_input_is_valid(v, $2) AS valid FROM unnest($1::text[]) WITH ORDINALITY AS t (v, i) ORDER BY i`,
    [values, type],
  );
  return rows.map(({ valid }) => valid);
}

it.each(TYPES)('takes for %s what DuckDB and PostgreSQL take for it', async (type) => {
  const values = [...SEEDS, ...fc.sample(mutated, { numRuns: 5_000, seed })];
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
