import { z } from 'zod';
import { columnName, duration } from './values.js';

/** What the cursor of every kind of source says. */
export const cursorKeys = {
  field: columnName.describe(
    'Field that grows with every change of a record, such as updated_at. Records that tie are asked for again.',
  ),
  type: z
    .enum(['timestamp', 'integer'])
    .optional()
    .describe('What the field holds. Default: integer if initial is one, else timestamp.'),
  initial: z
    .union([z.string(), z.int()], { error: 'expected a time such as 2024-01-01T00:00:00Z, or a whole number' })
    .optional()
    .describe('Where the first load starts. Default: it asks for everything.'),
  lag: z
    .union([duration, z.int().min(0)], { error: 'expected a duration such as 1h, or a whole number' })
    .optional()
    .describe(
      'How far before the last cursor is asked again, for records that come late. Default: 1s, or 1 for an integer.',
    ),
};

export type CursorYaml = z.infer<z.ZodObject<typeof cursorKeys>>;
