import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, expect, inject, it } from 'vitest';
import { writeBinaryRows } from '../../../src/elt/read/binary-rows.js';
import { wholeCopy } from '../../../src/elt/read/whole-copy.js';
import type { ColumnType } from '../../../src/model/project.js';
import { openDatabase } from '../../../src/storage/database.js';
import { CHECKED_TYPES, mutated, NEARLY_VALUES } from './nearly-values.js';

const TYPES: readonly ColumnType[] = ['text', 'jsonb', ...CHECKED_TYPES];
const MORE = [
  ...['0', '10000', '-10000.00010', '0.00001', '99999999', '123456789012345', '1234567890123456', '99999999999.99'],
  ...['1e9999', '-1.25e-30', '12345e-3', '1.5e3', '5e-9', '0.1', '1e22', '1e23', '9007199254740993', '2.5e-324'],
  ...['0001-01-01', '1582-10-15', '1714-01-01 00:00:00.000001', '2285-12-31 23:59:59.999999', '9999-12-31 23:59'],
  ...['0001-01-01 00:00+15:59', '9999-12-31 23:59:59.999999-15:59', '1999-12-31T23:59:59.5Z', '00:00', '23:59:59.9'],
  ...['{"a": [1, 2.50, null]}', '"é\\u00e9"', ' [] ', '12', 'é', '\\x00ff ', 'x'.repeat(5_000)],
];

const database = openDatabase({ url: inject('postgresUrl') });
afterAll(() => database.close());
const seed = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Date.now() % 2 ** 31);

it.each(TYPES)('writes a %s as PostgreSQL reads its text', async (type) => {
  const values = [...NEARLY_VALUES, ...MORE, ...fc.sample(mutated, { numRuns: 3_000, seed })];
  // A number in JSON may be out of PostgreSQL's range: a load quarantines its row.
  const readable = await database.query<{ value: string }>(
    'SELECT v AS value FROM unnest($1::text[]) AS v WHERE pg_input_is_valid(v, $2)',
    [values, type],
  );
  const writer = writeBinaryRows([{ name: 'v', header: 'v', type }], { delimiter: 44, quote: 34, lineEnd: 10 });
  const written: string[] = [];
  for (const { value } of readable) {
    const field = Buffer.from(`"${value.replaceAll('"', '""')}"`);
    if (writer.write(field, 0, field.length, written.length + 1) === undefined) written.push(value);
  }
  await database.session(async (session) => {
    await session.execute(`CREATE TEMP TABLE copied (i bigint, v ${type})`);
    await session.copyFrom(
      'COPY copied FROM STDIN (FORMAT binary)',
      Readable.from(wholeCopy('binary', writer.take().blocks)),
    );
    const different = await session.query<{ value: string; got: string; expected: string }>(
      `SELECT value, v::text AS got, value::${type}::text AS expected
       FROM copied JOIN unnest($1::text[]) WITH ORDINALITY AS given (value, place) ON place = i WHERE v::text IS DISTINCT FROM value::${type}::text`,
      [written],
    );
    expect(different.slice(0, 20), `seed ${seed}`).toEqual([]);
    expect(await session.query('SELECT count(*)::int AS rows FROM copied')).toEqual([{ rows: written.length }]);
    await session.execute('DROP TABLE copied');
  });
  expect(written.length).toBeGreaterThan(3);
});
