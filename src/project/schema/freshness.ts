import { z } from 'zod';
import { columnName, duration } from './values.js';

const AGE = 'expected a duration such as 12h, or { count: 12, period: hour }';

const age = z.union(
  [
    duration,
    z.strictObject({ count: z.number().int().min(1).max(1_000_000), period: z.enum(['minute', 'hour', 'day']) }),
  ],
  { error: AGE },
);

/** dbt's, with durations as elsewhere in the file. */
export const freshness = z
  .strictObject({
    warn_after: age.optional().describe('Age of the newest row from which on `freshness`, `plan` and `run` warn.'),
    error_after: age.optional().describe('Age of the newest row from which on what reads the source is not built.'),
    loaded_at: columnName
      .optional()
      .describe('Column, a date or timestamp, that says how new a row is. Default: when it was loaded (_loaded_at).'),
  })
  .refine(({ warn_after, error_after }) => warn_after !== undefined || error_after !== undefined, {
    error: 'expected warn_after, error_after or both',
  });

export type FreshnessYaml = z.infer<typeof freshness>;
