import { z } from 'zod';
import { cursorKeys } from './cursor.js';
import { intervalKeys } from './interval.js';
import { resourceKeys } from './resource-keys.js';
import { secretReference, tableName } from './values.js';

const relation = (expected: string) =>
  z.string({ error: `expected ${expected}` }).min(1, { error: `expected ${expected}` });
const PARALLEL = 'expected a whole number from 1 to 16';

const resource = {
  schema: relation('a schema of the database such as public')
    .optional()
    .describe('Schema of the table of a postgres source, and search path of a query. Default: public.'),
  table: relation('a table or view such as orders').optional().describe('Table or view to read. Or query.'),
  query: relation('one SELECT').optional().describe('One SELECT to read. Or table.'),
  parallel: z
    .number({ error: PARALLEL })
    .int({ error: PARALLEL })
    .min(1, { error: PARALLEL })
    .max(16, { error: PARALLEL })
    .optional()
    .describe(
      'Connections to a postgres source that read at the same time, under one snapshot. Default: 4 for a large table, else 1.',
    ),
  cursor: z
    .strictObject({
      ...cursorKeys,
      field: cursorKeys.field.optional(),
      xmin: z
        .literal(true, { error: 'expected true' })
        .optional()
        .describe('Follows the transactions that wrote the rows of a postgres table, in place of a field.'),
    })
    .optional()
    .describe('Asks only for what is new; needs primary_key and write: merge.'),
  interval_column: intervalKeys.interval_column,
  deletes: z
    .enum(['keep', 'reconcile'], { error: 'expected keep or reconcile' })
    .optional()
    .describe(
      'Rows that a postgres table no longer has, of write: merge. keep: they stay; reconcile: all keys of the source are read with each load, and rows without one are deleted, or closed by scd2. Default: keep.',
    ),
  ...resourceKeys,
};

export const postgresSourceSchema = z.strictObject({
  type: z.literal('postgres').describe('Kind of source. Default: files.'),
  connection: secretReference.describe(
    'Where the postgres:// URL of a database is: env:NAME or file:path, never the URL itself.',
  ),
  ...resource,
  resources: z
    .record(tableName, z.strictObject(resource))
    .optional()
    .describe('Several tables of one source; what is not said here is taken from the source.'),
});

export type PostgresSourceYaml = z.infer<typeof postgresSourceSchema>;
export type PostgresResourceYaml = z.infer<z.ZodObject<typeof resource>>;
