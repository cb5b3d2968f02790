import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ColumnType } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

const SEED = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Date.now() % 2 ** 31);

const digits = (most: number) => fc.stringMatching(new RegExp(`^(0|[1-9][0-9]{0,${most - 1}})$`));
const two = (low: number, high: number) =>
  fc.integer({ min: low, max: high }).map((value) => String(value).padStart(2, '0'));
const year = fc.integer({ min: 1, max: 9999 }).map((value) => String(value).padStart(4, '0'));
const day = fc.tuple(year, two(1, 12), two(1, 28)).map((parts) => parts.join('-'));
const clock = fc
  .tuple(two(0, 23), two(0, 59), two(0, 59), fc.option(fc.stringMatching(/^[0-9]{1,6}$/)))
  .map(([hour, minute, second, fraction]) => `${hour}:${minute}:${second}${fraction === null ? '' : `.${fraction}`}`);
const text = fc.string({ unit: 'binary', maxLength: 30 }).map((value) => value.replaceAll('\0', ''));

/** Literals that PostgreSQL reads as the type; it is its own reference: loading must equal casting the literal. */
const values: Readonly<Record<string, fc.Arbitrary<string>>> = {
  boolean: fc.constantFrom('true', 'false', 't', 'F', 'yes', 'off', '1', '0'),
  bigint: fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    fc.constantFrom('9007199254740993', '-9223372036854775808', '9223372036854775807', '+7', '007', ' 5 '),
  ),
  'double precision': fc.oneof(
    fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value))),
    fc.constantFrom('NaN', 'Infinity', '-Infinity', 'inf', '1e308', '5e-324', '.5', '5.', '-0'),
  ),
  'numeric(38,9)': fc
    .tuple(fc.constantFrom('', '-', '+'), digits(29), fc.stringMatching(/^[0-9]{0,9}$/))
    .map(([sign, whole, fraction]) => `${sign}${whole}.${fraction}`),
  numeric: fc.oneof(
    fc.tuple(digits(60), fc.stringMatching(/^[0-9]{1,60}$/)).map((parts) => parts.join('.')),
    fc.constantFrom('NaN', '1e-30', '-1.50e3', 'Infinity'),
  ),
  text,
  date: fc.oneof(day, fc.constantFrom('0001-01-01', '9999-12-31', '2024-02-29', 'infinity')),
  timestamp: fc.tuple(day, fc.constantFrom(' ', 'T'), clock).map((parts) => parts.join('')),
  timestamptz: fc
    .tuple(day, clock, fc.constantFrom('Z', '+00', '-08:00', '+05:30', '+1400', ' UTC'))
    .map(([date, time, zone]) => `${date} ${time}${zone}`),
  time: clock,
  jsonb: fc.oneof(
    fc.json({ stringUnit: 'grapheme' }).filter((json) => !json.includes('\\u0000')),
    fc.constantFrom('1.10', '12345678901234567890.5', '"a\\n\\u00e9"', 'null', '[]', ' {"b": 1, "a": 2, "b": 3} '),
  ),
  uuid: fc.uuid(),
  bytea: fc.uint8Array({ maxLength: 20 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
};

const field = (value: string | null): string => (value === null ? '' : `"${value.replaceAll('"', '""')}"`);
let table = 0;

test.each(Object.keys(values))(
  `%s comes back as PostgreSQL reads it (seed ${SEED})`,
  async (type) => {
    const column = fc.array(fc.option(values[type]!), { minLength: 1, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(column, async (literals) => {
        const name = `t${++table}`;
        await bench.write(`${name}.csv`, `id,v\n${literals.map((value, id) => `${id},${field(value)}\n`).join('')}`);
        const resource = resourceOf({
          id: name,
          source: name,
          table: name,
          path: `${name}.csv`,
          columns: { v: type as ColumnType },
          maxRejectedShare: 0,
        });
        await bench.run(resource, { chunkRows: 70 });
        const loaded = await bench.database.query<{ v: string | null }>(
          `SELECT v::text AS v FROM demo_dev_raw.${name} ORDER BY _row_number`,
        );
        const expected = await bench.database.query<{ v: string | null }>(
          `SELECT value::${type}::text AS v FROM unnest($1::text[]) WITH ORDINALITY AS u (value, position) ORDER BY position`,
          [literals],
        );
        expect(loaded).toEqual(expected);
      }),
      { seed: SEED, numRuns: 6 },
    );
  },
  60_000,
);

test(`inferred types keep every value (seed ${SEED})`, async () => {
  const mixed = fc.oneof(
    ...['boolean', 'bigint', 'double precision', 'numeric', 'text', 'date', 'timestamp', 'timestamptz', 'time'].map(
      (type) =>
        fc.array(
          fc.option(
            fc.oneof({ weight: 5, arbitrary: values[type]! }, { weight: 1, arbitrary: values['numeric(38,9)']! }),
          ),
          { minLength: 1, maxLength: 50 },
        ),
    ),
  );
  await fc.assert(
    fc.asyncProperty(mixed, async (literals) => {
      const name = `i${++table}`;
      await bench.write(`${name}.csv`, `id,v\n${literals.map((value, id) => `${id},${field(value)}\n`).join('')}`);
      const { loads } = await bench.run(
        resourceOf({ id: name, source: name, table: name, path: `${name}.csv`, maxRejectedShare: 0 }),
      );
      expect(loads[0]!.rowsLoaded).toBe(literals.length);
      const type = loads[0]!.columns[1]!.type;
      const loaded = await bench.database.query<{ v: string | null }>(
        `SELECT v::text AS v FROM demo_dev_raw.${name} ORDER BY _row_number`,
      );
      const expected = await bench.database.query<{ v: string | null }>(
        `SELECT value::${type}::text AS v FROM unnest($1::text[]) WITH ORDINALITY AS u (value, position) ORDER BY position`,
        [literals],
      );
      expect(loaded).toEqual(expected);
      // A double is chosen only where it gives the same number back.
      if (type === 'double precision')
        expect(
          await bench.database.query(
            `SELECT value FROM unnest($1::text[]) AS value WHERE value !~* '[ein]' AND value::numeric <> value::float8::numeric`,
            [literals],
          ),
        ).toEqual([]);
    }),
    { seed: SEED, numRuns: 20 },
  );
}, 120_000);
