import { z } from 'zod';
import { resourceKeys } from './resource-keys.js';
import { tableName, text } from './values.js';

const COMMAND = 'expected a tap and its arguments such as [tap-gitlab]';
const word = z.string({ error: COMMAND }).min(1, { error: COMMAND });
/** YAML holds nothing but JSON. */
const settings = z.record(z.string().min(1), z.unknown(), { error: 'expected names and their values' });
const stream = z.string({ error: "expected a stream's name" }).min(1, { error: "expected a stream's name" });
const file = z
  .string({ error: 'expected a file such as catalog.json' })
  .min(1, { error: 'expected a file such as catalog.json' });

const PROPERTIES = 'expected properties such as [id, "address_*", "!password"]';
const property = z.string({ error: PROPERTIES }).regex(/^!?[^!]/, { error: PROPERTIES });

const resource = {
  stream: stream.optional().describe('Stream of the tap. Default: the name of the resource.'),
  metadata: settings
    .optional()
    .describe(
      'Metadata of the stream in its catalog, such as { replication-method: FULL_TABLE }. Default: as the catalog says.',
    ),
  select: z
    .array(property, { error: PROPERTIES })
    .min(1, { error: PROPERTIES })
    .optional()
    .describe(
      'Properties of the stream to ask for and to keep, such as [id, "address_*", "!password"]; keys are always among them. Default: all but those that are off in the catalog.',
    ),
  ...resourceKeys,
};

export const singerSourceSchema = z.strictObject({
  type: z.literal('singer').describe('Kind of source. Default: files.'),
  command: z
    .array(word, { error: COMMAND })
    .min(1, { error: COMMAND })
    .describe('A Singer tap and its arguments; no shell reads them. A name with a slash is relative to the project.'),
  config: settings
    .optional()
    .describe('Configuration of the tap; a text may be env:NAME or file:path. Default: an empty one.'),
  env: z
    .record(
      text(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and _'),
      z.string({ error: 'expected a text, env:NAME or file:path' }),
    )
    .optional()
    .describe(
      'Variables of the tap, each a text, env:NAME or file:path. Of the worker it gets PATH, HOME and the like only.',
    ),
  catalog: file
    .optional()
    .describe('File of the project with the catalog of the tap. Default: what it says with --discover.'),
  discover: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .describe('false for a tap that takes no catalog. Default: true.'),
  ...resource,
  resources: z
    .record(tableName, z.strictObject(resource))
    .optional()
    .describe('Several tables of one source; what is not said here is taken from the source.'),
});

export type SingerSourceYaml = z.infer<typeof singerSourceSchema>;
export type SingerResourceYaml = z.infer<z.ZodObject<typeof resource>>;
