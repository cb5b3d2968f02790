import { z } from 'zod';
import { columnName, columnTypes, tableName } from './values.js';

const EXPECTED = 'expected a column name, a list of them, or a mapping of column names to their settings';

const settings = {
  table: tableName.optional().describe('Name of the child table. Default: the table, `_` and the column.'),
  columns: columnTypes
    .optional()
    .describe('Declared types by column of the child; elements that are no objects are in `value`. Default: inferred.'),
  keep: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .describe('Whether the parent keeps the column, as jsonb, beside the child table. Default: false; true with scd2.'),
};

/** `lines`, `[lines, tags]`, or a mapping; a column without settings may have nothing behind its colon. */
function columnsOf<Child extends z.ZodType>(child: Child) {
  return z.union(
    [columnName, z.array(columnName).min(1, { error: EXPECTED }), z.record(columnName, child.nullable())],
    {
      error: EXPECTED,
    },
  );
}

/** Nested columns that become tables of their own, and theirs in turn; deeper ones stay jsonb. */
export const childrenSchema = columnsOf(
  z.strictObject({
    ...settings,
    children: columnsOf(z.strictObject(settings)).optional().describe('Columns of the child that become tables too.'),
  }),
);
