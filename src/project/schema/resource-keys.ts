import { z } from 'zod';
import { anomalySchema } from './anomaly.js';
import { childrenSchema } from './children.js';
import { contractSchema } from './contract.js';
import { freshness } from './freshness.js';
import { mergeSchema } from './merge.js';
import { columnNames, columnTypes, share } from './values.js';

/** What a resource of every kind of source may say of its table, each key with one text. */
export const resourceKeys = {
  primary_key: columnNames
    .optional()
    .describe(
      "Column or columns that name a row; checked on load. Default: none; for singer, the tap's key_properties.",
    ),
  write: z
    .enum(['append', 'replace', 'merge'])
    .optional()
    .describe(
      'What a load does with the rows that are there; merge needs primary_key. Default: append for a glob or an interval, merge with a cursor, and of code and taps where there is a key; else replace, of a tap append.',
    ),
  columns: columnTypes
    .optional()
    .describe("Declared types by column. Default: inferred, or the source's own where it says them."),
  max_rejected: share
    .optional()
    .describe(
      'Share of bad rows above which the load fails; unless it is 0, one bad row of several is never too many. Default: 1%.',
    ),
  freshness: freshness
    .optional()
    .describe('How old the newest row may be; it is checked before what reads it is built.'),
  merge: mergeSchema.optional().describe('How `write: merge` merges rows. Default: upsert.'),
  anomaly: anomalySchema
    .optional()
    .describe(
      'What happens when a table of write: replace, or what comes in for append and merge, is far from its own history in rows or NULLs. Default: warn for replace, else off.',
    ),
  contract: contractSchema.optional().describe('What a load may change of its table.'),
  allow_empty: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .describe(
      'Whether a source or a file without rows is no fault, and may empty a table that is not. Default: false.',
    ),
  children: childrenSchema
    .optional()
    .describe(
      'Columns of lists or objects whose elements become rows of child tables. Default: none, such a column is jsonb.',
    ),
};

export type ResourceKeysYaml = z.infer<z.ZodObject<typeof resourceKeys>>;
