import { z } from 'zod';
import { cron } from './schedule.js';
import { duration } from './values.js';

export const retentionSchema = z.strictObject({
  raw: duration
    .optional()
    .describe('Raw files and pages that no table holds rows of any more, since they were last seen. Default: for good.'),
  runs: duration
    .optional()
    .describe('Records of runs, outcomes of steps with their training sets and unregistered models, and code. Default: for good.'),
  rejects: duration.optional().describe('Quarantined rows, since their load. Default: for good.'),
  predictions: duration.optional().describe('The log of predictions. Default: for good.'),
  grace: duration
    .optional()
    .describe('How long an object that nothing refers to is left alone after its last use; at least 1h. Default: 1d.'),
  cron: cron.optional().describe('When garbage is collected, once `schedule apply` has been run. Default: 30 3 * * *.'),
}); // prettier-ignore

export type RetentionYaml = z.infer<typeof retentionSchema>;
