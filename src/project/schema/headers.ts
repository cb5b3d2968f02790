import { z } from 'zod';
import { dataTests } from './data-tests.js';
import { columnName, duration } from './values.js';

const description = z.string({ error: 'expected a text' }).optional().describe('What the file is, in words.');
const sentence = (of: string): z.ZodString =>
  z.string({ error: `expected ${of} in words` }).min(1, { error: `expected ${of} in words` });

/** `customer_id`, `customer_id, store` or `[customer_id, store]`. */
const entity = z.union([columnName, z.array(columnName).min(1)], { error: 'expected a column or a list of them' });

export const transformHeader = z.strictObject({
  description,
  materialized: z.enum(['table', 'view']).optional().describe('What it becomes in the database. Default: table.'),
  tests: dataTests.optional().describe('Data tests, as under `tests` in plumbline.yaml.'),
});

export const featureHeader = z
  .strictObject({
    description,
    entity: entity.describe('Column or columns that say what a row is about; those of the labels, or some of them.'),
    event_time: columnName.describe('Column that says when it happened.'),
    known_at: columnName.optional().describe('Column that says when the row became known.'),
    known_at_assumed: sentence('the reason')
      .optional()
      .describe('Why known = event time is right over a table that is rewritten.'),
    assumption: sentence('what is taken for granted').optional().describe('A sentence for plan and the model card.'),
    leak_accepted: z
      .record(columnName, sentence('the reason'), { error: 'expected { column: reason }' })
      .optional()
      .describe('Columns that the leak check leaves out, each with the reason why it is none: { column: reason }.'),
    ttl: duration.optional().describe('Rows older than this count as missing.'),
  })
  .refine((header) => header.known_at === undefined || header.known_at_assumed === undefined, {
    error: 'expected known_at or known_at_assumed, not both',
  });

export const labelsHeader = z.strictObject({
  description,
  entity: entity.describe('Column or columns that say what is predicted for.'),
  label_time: columnName.describe('Column that says for when.'),
  target: columnName.describe('Column to predict: numbers, or yes and no.'),
  horizon: duration.describe('How long before label_time the prediction is made.'),
});
