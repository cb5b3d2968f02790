import { z } from 'zod';
import { columnName, columnNames, tableName, text } from './values.js';

const constant = z.union([z.string(), z.number(), z.boolean()], {
  error: 'expected a text, a number, true or false',
});

const bound = z.union([z.number(), z.string().min(1)], { error: 'expected a number, or a date or time as text' });

const count = z
  .number({ error: 'expected a number of rows' })
  .int({ error: 'expected a whole number of rows' })
  .min(0, { error: 'expected 0 or more rows' });

const related = text(
  /^[a-z][a-z0-9_]{0,49}(\.[a-z][a-z0-9_]{0,49})?$/,
  'a table such as customers, or shop.customers of a source',
);

/** Keys that go with a test. */
const BESIDE = ['name', 'severity', 'where'];

/** dbt's names. Each entry of the list is one test. */
export const dataTest = z
  .strictObject({
    not_null: columnNames.optional().describe('Columns that have no NULL.'),
    unique: columnNames.optional().describe('Columns whose values, together when several, occur once.'),
    accepted_values: z
      .strictObject({ column: columnName, values: z.array(constant).min(1) })
      .optional()
      .describe('A column that has no other values.'),
    relationships: z
      .strictObject({ column: columnName, to: related, field: columnName })
      .optional()
      .describe('A column whose values are all in the column `field` of the table `to`.'),
    row_count: z
      .strictObject({ min: count.optional(), max: count.optional() })
      .optional()
      .describe('How many rows there are.'),
    accepted_range: z
      .strictObject({ column: columnName, min: bound.optional(), max: bound.optional() })
      .refine(({ min, max }) => min !== undefined || max !== undefined, { error: 'expected min, max or both' })
      .optional()
      .describe('A column without smaller or larger values; the bounds count as accepted.'),
    expression_is_true: z.string().min(1).optional().describe('A condition in SQL that is false for no row.'),
    sql: z.string().min(1).optional().describe('A SELECT of the rows that are wrong; {{ this }} is the table.'),
    name: tableName.optional().describe('Name of an sql test.'),
    where: z
      .string({ error: 'expected a condition in SQL' })
      .trim()
      .min(1, { error: 'expected a condition in SQL' })
      .optional()
      .describe('A condition in SQL: only rows for which it is true are tested.'),
    severity: z
      .enum(['warn', 'error'])
      .optional()
      .describe('warn: a failure is shown and the table published. Default: error.'),
  })
  .refine((test) => Object.keys(test).filter((key) => !BESIDE.includes(key)).length === 1, {
    error:
      'expected exactly one of not_null, unique, accepted_values, relationships, row_count, accepted_range, expression_is_true, sql',
  })
  .refine(({ sql, where }) => sql === undefined || where === undefined, {
    error: 'expected no where beside sql: write the condition in the SELECT',
  });

export const dataTests = z.array(dataTest, { error: 'expected a list of tests, one `- ` line each' });
export type DataTestYaml = z.infer<typeof dataTest>;
