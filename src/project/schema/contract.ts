import { z } from 'zod';

const mode = z.enum(['evolve', 'freeze', 'discard_row', 'discard_value'], {
  error: 'expected evolve, freeze, discard_row or discard_value',
});

/** What a load may change of its table. dlt's words. */
export const contractSchema = z.strictObject({
  tables: z
    .enum(['evolve', 'freeze'], { error: 'expected evolve or freeze' })
    .optional()
    .describe('freeze: a load into a table that is not there fails. Default: evolve.'),
  columns: mode
    .optional()
    .describe(
      'A column that the table does not have. evolve: it is added; freeze: the load fails; discard_row: rows with a value in it are quarantined; discard_value: its values are dropped and counted. Default: evolve.',
    ),
  types: mode
    .optional()
    .describe(
      'A value that does not fit the type of its column. evolve: the column is widened where that is exact, else the row is quarantined; freeze: the load fails; discard_row: the row is quarantined; discard_value: NULL is written and counted. Default: evolve for replace and postgres, else discard_row.',
    ),
});
