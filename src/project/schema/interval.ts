import { z } from 'zod';
import { columnName } from './values.js';

/** Keys of a resource whose loads are about an interval. */
export const intervalKeys = {
  interval_column: columnName
    .optional()
    .describe('Date or time that says to which interval a row belongs; a load replaces the rows of its interval only.'),
  outside_interval: z
    .enum(['fail', 'ignore'])
    .optional()
    .describe(
      'What becomes of rows of another interval: the load fails, or they are left out and counted. Default: fail.',
    ),
};
