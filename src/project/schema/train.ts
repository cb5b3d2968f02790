import { z } from 'zod';
import {
  BOOSTING_RANGES,
  C_RANGE,
  CATEGORIES_RANGE,
  RIDGE_RANGE,
  describeRange,
  type ParameterRange,
} from '../../model/parameter-ranges.js';
import { duration, share, tableName, text } from './values.js';

const testFrom = text(
  /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:?\d{2})?)?$/,
  'a date or time such as 2012-10-01 or 2012-10-01T00:00:00Z',
).refine((value) => isDate(value.slice(0, 10)) && !Number.isNaN(Date.parse(value.replace(' ', 'T'))), {
  error: 'expected a day that the calendar has',
});

function isDate(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

/** A parameter that may be left out, within the range that training asks for. */
function number(range: ParameterRange, meaning: string): z.ZodOptional<z.ZodNumber> {
  const { min, max, isInteger, isAboveMin } = range;
  const error = `expected ${describeRange(range)}`;
  const value = isInteger === true ? z.int({ error }) : z.number({ error });
  const above = isAboveMin === true ? value.gt(min, { error }) : value.min(min, { error });
  return (max === undefined ? above : above.max(max, { error })).optional().describe(meaning);
}

const max_categories = number(
  CATEGORIES_RANGE,
  'Most frequent categories of a text column that are kept. Default: 255.',
);
const linear = { l2: number(RIDGE_RANGE, 'Ridge penalty. Default: 1 (gradient_boosting: 0).'), max_categories };
const boosting = BOOSTING_RANGES;
const trainers = {
  linear,
  logistic: { ...linear, C: number(C_RANGE, "scikit-learn's: 1 / l2, in place of l2.") },
  gradient_boosting: {
    n_estimators: number(boosting.nEstimators, 'Trees. Default: 100.'),
    learning_rate: number(boosting.learningRate, 'Share of each tree that is added. Default: 0.1.'),
    max_leaves: number(boosting.maxLeaves, 'Leaves of a tree. Default: 31.'),
    max_depth: number(boosting.maxDepth, 'Depth of a tree, -1 for no bound. Default: -1.'),
    min_samples_leaf: number(boosting.minSamplesLeaf, 'Rows a leaf has at least. Default: 20.'),
    min_sum_hessian: number(boosting.minSumHessian, 'Sum of second derivatives a leaf has at least. Default: 0.001.'),
    l2: number(boosting.l2, 'Ridge penalty of leaf values. Default: 0.'),
    max_bins: number(boosting.maxBins, 'Bins of a feature. Default: 255.'),
    max_categories,
  },
} as const;

export type TrainerType = keyof typeof trainers;
export const TRAINERS = Object.keys(trainers) as TrainerType[];

const trainer = z.union(
  [
    z.enum(TRAINERS),
    z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('linear'), ...trainers.linear }),
      z
        .strictObject({ type: z.literal('logistic'), ...trainers.logistic })
        .refine(({ C, l2 }) => C === undefined || l2 === undefined, {
          path: ['C'],
          error: 'expected C or l2, not both (l2 is 1 / C)',
        }),
      z.strictObject({ type: z.literal('gradient_boosting'), ...trainers.gradient_boosting }),
    ]),
  ],
  { error: `expected ${TRAINERS.join(', ')}, or { type: …, parameters }` },
);

const baseline = z.union(
  [z.enum(['mean', 'majority']), z.strictObject({ seasonal_naive: duration.describe('The period, e.g. 7d.') })],
  { error: 'expected mean, majority or { seasonal_naive: 7d }' },
);

export const METRICS = [
  'rmse',
  'mae',
  'r2',
  'mape',
  'log_loss',
  'roc_auc',
  'average_precision',
  'accuracy',
  'brier',
] as const;

const gate = z.strictObject({
  metric: z.enum(METRICS).describe('What is compared, on the held-out rows.'),
  better_than: z.enum(['baseline', 'champion']).describe('With what: the best baseline, or the version that serves.'),
  by: share.optional().describe('Relative improvement asked for. Default: 0.'),
});

const viewNames = z
  .array(tableName, { error: 'expected a list of feature views' })
  .min(1, { error: 'expected at least one feature view' });

export const trainSchema = z
  .strictObject({
    labels: z
      .string({ error: 'expected a file such as labels.sql' })
      .regex(/\.sql$/, { error: 'expected a file that ends in .sql' })
      .describe('SELECT of entity, label time and target.'),
    features: viewNames.describe('Files of features/, without .sql.'),
    test_from: testFrom.optional().describe('Rows from this time on are held out.'),
    split: z
      .strictObject({ by: z.literal('time'), test_from: testFrom })
      .optional()
      .describe('Another way to write test_from.'),
    trainer: trainer
      .optional()
      .describe('What learns: a name, or { type: …, parameters }. Default: gradient_boosting.'),
    variants: z
      .record(tableName, z.strictObject({ features: viewNames }))
      .optional()
      .describe('Other feature lists, trained and shown beside the model, never deployed.'),
    baselines: z
      .array(baseline)
      .min(1)
      .optional()
      .describe('Simple guesses that the model is compared with. Default: mean (majority for yes and no).'),
    gates: z
      .array(gate)
      .optional()
      .describe('Conditions for going live. Default: better than the baseline and than the champion.'),
    seed: z
      .int({ error: 'expected a whole number' })
      .min(0, { error: 'expected 0 or more' })
      .max(2 ** 31 - 1, { error: 'expected less than 2^31' })
      .optional()
      .describe('Fixes what is random. Default: 0.'),
  })
  .refine((train) => (train.test_from === undefined) !== (train.split === undefined), {
    error: 'expected test_from (or split: { by: time, test_from }), and only one of the two',
  });

export type TrainYaml = z.infer<typeof trainSchema>;
