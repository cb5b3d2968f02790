import { z } from 'zod';

const mode = z.enum(['off', 'warn', 'fail'], { error: 'expected off, warn or fail' });
const count = z
  .int({ error: 'expected a whole number of publications' })
  .min(3, { error: 'expected 3 or more' })
  .max(1_000, { error: 'expected 1000 or less' });

/** What happens when a table of `replace`, or what comes in for `append` and `merge`, is far from its own history. */
export const anomalySchema = z.union(
  [
    mode,
    z.strictObject({
      mode: mode.describe('off: nothing is looked at; warn: the run says so; fail: the table stays as it is.'),
      deviations: z
        .number({ error: 'expected a number such as 4' })
        .positive({ error: 'expected a number above 0' })
        .optional()
        .describe('How far from the median is usual, in robust standard deviations. Default: 4.'),
      history: count.optional().describe('Most publications to compare with. Default: 20.'),
      min_history: count.optional().describe('Fewest publications to compare with. Default: 5.'),
    }),
  ],
  { error: 'expected off, warn, fail, or an object with mode, deviations, history, min_history' },
);
