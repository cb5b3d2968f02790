import { z } from 'zod';
import { columnName, text, varName, varValue } from './values.js';

const ROWS = 'expected a list of rows, each { column: value }, or a text of format csv or sql';

const cell = z.unknown().refine((value) => typeof value !== 'number' || Number.isFinite(value), {
  error: 'expected a finite number; write NaN and Infinity in quotes',
});

const rows = {
  rows: z
    .union([z.array(z.record(columnName, cell)), z.string()], { error: ROWS })
    .describe('The rows; a column that is not mentioned is NULL. As csv: a text whose first line names the columns.'),
  format: z
    .enum(['dict', 'csv', 'sql'])
    .optional()
    .describe('How `rows` is written: dict (a list), csv, or sql (a SELECT). Default: dict.'),
};

function isOfFormat({ rows, format }: { readonly rows?: unknown; readonly format?: string | undefined }): boolean {
  return (typeof rows === 'string') === (format === 'csv' || format === 'sql');
}
const FORMAT = { error: 'expected a list of rows, or `format: csv` or `format: sql` beside a text', path: ['rows'] };

/** dbt's form. */
export const unitTest = z.strictObject({
  name: text(/^[a-z][a-z0-9_]{0,99}$/, 'a name of small letters, digits and _').describe('What the test is called.'),
  description: z.string().optional().describe('What it shows, in words.'),
  model: text(/^[a-z][a-z0-9_]{0,49}$/, 'the name of a transform, a feature view or the labels').describe(
    'Transform, feature view or labels whose SELECT is run.',
  ),
  given: z
    .array(
      z
        .strictObject({
          input: text(
            /^(this|(ref|source)\(\s*(['"])[\w.]+\3(\s*,\s*(['"])[\w.]+\5)?\s*\))$/,
            "ref('name'), source('source', 'resource') or this",
          ).describe("What the rows stand for: ref('name'), source('source', 'resource') or this."),
          ...rows,
        })
        .refine(isOfFormat, FORMAT),
    )
    .optional()
    .describe('The rows that the SELECT reads, for each table that it reads.'),
  expect: z.strictObject(rows).refine(isOfFormat, FORMAT).describe('The rows that it gives, in any order.'),
  overrides: z
    .strictObject({
      is_incremental: z.boolean().optional().describe('What is_incremental() gives. Default: false.'),
      macros: z
        .strictObject({ is_incremental: z.boolean().optional() })
        .optional()
        .describe("is_incremental in dbt's place."),
      interval: z
        .string({ error: 'expected an interval such as 2024-01-01/2024-01-02' })
        .optional()
        .describe('What {{ interval.start }} and the like give: 2024-01-01/2024-01-02, or times.'),
      vars: z.record(varName, varValue).optional().describe('Vars that have another value in this test.'),
    })
    .optional()
    .describe('What differs from a run.'),
});

export const unitTests = z.array(unitTest, { error: 'expected a list of unit tests, one `- name:` each' });

/** A file of tests/unit/. */
export const unitTestFile = z.strictObject({
  version: z.literal(2).optional().describe("dbt's; without effect."),
  unit_tests: unitTests.describe('As `unit_tests` in plumbline.yaml.'),
});

export type UnitTestYaml = z.infer<typeof unitTest>;
