import { Cron } from 'croner';
import { z } from 'zod';
import { INTERVAL_LENGTHS } from '../../model/interval-grid.js';
import { OVERLAPS, STAGE_NAMES } from '../../model/project.js';
import { SELECTOR } from '../../model/selection.js';
import { duration, text } from './values.js';

// Minute, hour, day of month, month, day of week, as Temporal reads them.
const FIELD = String.raw`(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(\/\d+)?`;
const FIELDS = `${FIELD}(,${FIELD})*`;
const CRON = 'a cron line of five fields such as 5 * * * *';
export const cron = text(new RegExp(`^${FIELDS}( ${FIELDS}){4}$`), CRON).refine(isCron, { error: `expected ${CRON}` });

const selector = text(SELECTOR, 'a name such as crm.people, daily, daily+ or +daily');
const selectors = z.union([selector, z.array(selector).min(1, { error: 'expected at least one name' })], {
  error: 'expected a name or a list of them',
});

const entry = z
  .strictObject({
    cron: cron.optional().describe('When it starts: minute, hour, day of month, month, day of week.'),
    every: duration.optional().describe('How often it starts, in place of `cron`: 15m, 6h, 1d.'),
    stages: z
      .array(z.enum(STAGE_NAMES))
      .min(1)
      .optional()
      .describe('What it runs, in the words of `plumbline run`. Default: the one it is named after, else all.'),
    select: selectors
      .optional()
      .describe(
        'Only these, as `run load --select` or `run transform --select` takes them. Default: all of its stages.',
      ),
    exclude: selectors.optional().describe('Without these, in the words of `select`.'),
    interval: z
      .enum(INTERVAL_LENGTHS)
      .optional()
      .describe('Runs once for each of these that is over and not done yet. Default: one run, without an interval.'),
    start: text(/^\d{4}-\d\d-\d\d$/, 'a date such as 2024-01-01')
      .optional()
      .describe('The first day whose intervals it runs. Default: the interval in which it was applied first.'),
    jitter: duration.optional().describe('Each start is late by up to this, at random. Default: none.'),
    overlap: z
      .enum(OVERLAPS)
      .optional()
      .describe('What a start does while the one before still runs: skip, or wait for its end. Default: skip.'),
    catchup: duration
      .optional()
      .describe('Starts that Temporal missed, being down, are made up for when they are not older. Default: 1h.'),
    pause_on_failure: z
      .boolean({ error: 'expected true or false' })
      .optional()
      .describe('Whether a start that failed pauses the schedule. Default: false.'),
  })
  .refine((value) => (value.cron === undefined) !== (value.every === undefined), {
    error: 'expected cron or every, and only one of the two',
  });

/** A field may be out of its range, such as an hour of 25. */
function isCron(line: string): boolean {
  try {
    return new Cron(line, { paused: true }).getPattern() !== undefined;
  } catch {
    return false;
  }
}

const NAME = /^[a-z][a-z0-9-]{0,29}$/;

export const scheduleSchema = z
  .object({
    timezone: z
      .string({ error: 'expected a timezone such as Europe/Berlin' })
      .optional()
      .describe('Whose days and hours cron lines and intervals mean, e.g. Europe/Berlin. Default: UTC.'),
  })
  .catchall(z.union([cron, entry], { error: `expected ${CRON}, or { cron: …, interval: … }` }))
  .superRefine((value, context) => {
    for (const name of Object.keys(value))
      if (!NAME.test(name))
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'expected a name of small letters, digits and -, at most 30 long',
        });
  });

export type ScheduleYaml = z.infer<typeof scheduleSchema>;
export type ScheduleEntryYaml = z.infer<typeof entry>;
