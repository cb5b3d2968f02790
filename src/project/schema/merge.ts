import { z } from 'zod';
import { columnName, columnNames } from './values.js';

const strategy = z.enum(['upsert', 'delete-insert', 'scd2'], { error: 'expected upsert, delete-insert or scd2' });

/** How rows are merged. dlt's words. */
export const mergeSchema = z.union(
  [
    strategy,
    z.strictObject({
      strategy: strategy
        .optional()
        .describe(
          'upsert: one row a primary key; delete-insert: all rows of a merge key are replaced; scd2: a row for each state, with _valid_from and _valid_to. Default: upsert.',
        ),
      key: columnNames.optional().describe('Columns that say which rows delete-insert replaces. Default: primary_key.'),
      hard_delete: columnName
        .optional()
        .describe('Column that marks rows deleted at the source: true, or not NULL if it is no boolean.'),
      when_gone: z
        .enum(['close', 'keep'], { error: 'expected close or keep' })
        .optional()
        .describe(
          'What scd2 does with a key that a load no longer has. Default: close where each load is everything, keep for a glob, a cursor, code and taps.',
        ),
    }),
  ],
  { error: 'expected upsert, delete-insert, scd2, or an object with strategy, key, hard_delete, when_gone' },
);
