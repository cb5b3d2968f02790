import { z } from 'zod';
import { ALERT_KINDS } from '../../model/project.js';
import { dataTests } from './data-tests.js';
import { retentionSchema } from './retention.js';
import { scheduleSchema } from './schedule.js';
import { seedSchema, sourceSchema } from './sources.js';
import { trainSchema } from './train.js';
import { unitTests } from './unit-tests.js';
import { columnName, duration, mailAddress, secretReference, tableName, text, varName, varValue } from './values.js';

export const ENVIRONMENT = /^[a-z][a-z0-9]{0,19}$/;

const sections = {
  vars: z.record(varName, varValue).optional().describe("Values that SQL files use as {{ var('name') }}."),
  sources: z.record(tableName, sourceSchema).optional().describe('Where data comes from, by name.'),
  seeds: z
    .record(tableName, seedSchema)
    .optional()
    .describe('Settings of the CSV files in seeds/, by name without .csv.'),
  tests: z.record(tableName, dataTests).optional().describe('By table: checked before the table is published.'),
  unit_tests: unitTests
    .optional()
    .describe('SELECTs run on given rows by `plumbline test`; more of them in tests/unit/*.yaml.'),
  train: trainSchema.optional().describe('What to learn, from what, and how good it must be.'),
  deploy: z
    .strictObject({
      approval: z
        .enum(['none', 'manual'])
        .optional()
        .describe('Whether a person has to approve a version before it serves. Default: none.'),
      approval_timeout: duration
        .optional()
        .describe(
          'How long an approval waits; then the deployment ends as timed_out and a later run offers the version again. Default: 7d.',
        ),
      model: text(/^[a-z][a-z0-9-]{0,62}$/, 'a name of small letters, digits and -')
        .optional()
        .describe('Name under which the model is served. Default: the name of the project.'),
    })
    .optional()
    .describe('How a version that passed its gates goes live.'),
  schedule: scheduleSchema
    .optional()
    .describe('When runs start by themselves, by name; `plumbline schedule apply` makes it so.'),
  alerts: z
    .strictObject({
      webhook: secretReference.optional().describe('Address that is told, as env:NAME or file:path.'),
      secret: secretReference
        .optional()
        .describe('Key that messages to the webhook are signed with, as env:NAME or file:path.'),
      email: z
        .strictObject({
          smtp: secretReference.describe(
            'Where the mail server is, as env:NAME or file:path: smtp://user:password@host:587 (STARTTLS), smtps://… (TLS), or with ?tls=none.',
          ),
          from: mailAddress.describe('Address that mails come from.'),
          to: z
            .union([mailAddress, z.array(mailAddress).min(1).max(20)], {
              error: 'expected a mail address, or a list of 1 to 20',
            })
            .describe('Who is told by mail; each gets a message of its own.'),
        })
        .optional()
        .describe('Mail that tells of the same.'),
      on: z
        .array(z.enum(ALERT_KINDS))
        .min(1)
        .optional()
        .describe(
          'failed: a run that failed, or was ended in Temporal. missed: a scheduled start that did not come. Default: both.',
        ),
    })
    .refine(({ webhook, email }) => webhook !== undefined || email !== undefined, {
      error: 'expected webhook, email or both',
    })
    .refine(({ webhook, secret }) => webhook !== undefined || secret === undefined, {
      path: ['secret'],
      error: 'expected it beside webhook, whose messages it signs',
    })
    .optional()
    .describe('Who is told when something goes wrong.'),
  retention: retentionSchema
    .optional()
    .describe('How long what is not needed any more is kept; `plumbline gc` and, once applied, a schedule delete it.'),
  personal: z
    .record(
      columnName,
      z.strictObject({
        sources: z.record(z.string(), columnName).optional().describe('Column that holds the key, by source.'),
        tables: z
          .record(z.string(), columnName)
          .optional()
          .describe('Column that holds the key, by table of sql/ or snapshots/.'),
        predictions: columnName.optional().describe('Input of predictions that holds the key. Default: its name.'),
      }),
    )
    .optional()
    .describe('Where the rows of a person are, by the name of the key that `plumbline forget` takes.'),
  database: secretReference
    .optional()
    .describe('Planned: a database of an environment, as env:NAME or file:path. This version refuses it.'),
};

export const projectSchema = z.strictObject({
  name: text(
    /^(?!pg(-|$))[a-z][a-z0-9-]{0,39}$/,
    'a name of small letters, digits and -, at most 40 long, not of PostgreSQL (pg-…)',
  ).describe('Name of the project; its schemas and models are named after it.'),
  ...sections,
  environments: z
    .record(text(ENVIRONMENT, 'an environment name of small letters and digits, at most 20 long'), z.looseObject({}))
    .optional()
    .describe('By environment: sections of this file that differ there, laid over the rest.'),
});

export type ProjectYaml = z.infer<typeof projectSchema>;

/** Sections that an environment may lay over the file. */
export const SECTIONS = Object.keys(sections);
