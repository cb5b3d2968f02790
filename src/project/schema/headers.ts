import { z } from 'zod';
import { dataTests } from './data-tests.js';
import { columnName, columnNames, duration } from './values.js';

const description = z.string({ error: 'expected a text' }).optional().describe('What the file is, in words.');
const sentence = (of: string): z.ZodString =>
  z.string({ error: `expected ${of} in words` }).min(1, { error: `expected ${of} in words` });

/** `customer_id`, `customer_id, store` or `[customer_id, store]`. */
const entity = z.union([columnName, z.array(columnName).min(1)], { error: 'expected a column or a list of them' });

export const transformHeader = z.strictObject({
  description,
  materialized: z
    .enum(['table', 'view', 'incremental', 'snapshot', 'ephemeral'])
    .optional()
    .describe(
      'What it becomes in the database; an incremental table is built once and then only added to, a snapshot keeps every state of a row, an ephemeral one makes no table and becomes part of what reads it. Default: table; in snapshots/ snapshot.',
    ),
  strategy: z
    .enum(['merge', 'delete+insert', 'timestamp', 'check'])
    .optional()
    .describe(
      'How an incremental table takes new rows: merge or delete+insert; how a snapshot sees a change: timestamp or check. Default: merge by unique_key, delete+insert by interval_column; timestamp with updated_at, check with check_cols.',
    ),
  unique_key: columnNames
    .optional()
    .describe('Column or columns by which an incremental table or a snapshot knows its rows.'),
  interval_column: columnName
    .optional()
    .describe(
      "delete+insert: rows of the run's interval are replaced, or without one from its smallest to its largest new value.",
    ),
  lookback: duration
    .optional()
    .describe('With interval_column: how far before its start an interval is built again. Default: not at all.'),
  on_schema_change: z
    .enum(['fail', 'append_new_columns'])
    .optional()
    .describe('What happens when an incremental SELECT gives a new column. Default: fail.'),
  updated_at: columnName.optional().describe('Snapshot: column that says when a row changed last.'),
  check_cols: z
    .union([z.literal('all'), columnNames])
    .optional()
    .describe('Snapshot: columns whose change is a change of the row, or all.'),
  hard_deletes: z
    .enum(['ignore', 'invalidate', 'new_record'])
    .optional()
    .describe(
      'Snapshot: invalidate ends rows that the SELECT gives no more; new_record also begins a state with dbt_is_deleted = True. Default: ignore.',
    ),
  invalidate_hard_deletes: z
    .boolean()
    .optional()
    .describe("Snapshot: true is dbt's older word for hard_deletes: invalidate."),
  allow_empty: z
    .boolean()
    .optional()
    .describe('Snapshot with invalidate or new_record: lets a SELECT without rows end all of them. Default: false.'),
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
