import { z } from 'zod';
import { freshness } from './freshness.js';
import { columnNames, columnTypes, share, tableName, text } from './values.js';

const name = text(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and _');

const resource = {
  function: name.optional().describe('Function that gives the rows. Default: the one with the name of the resource.'),
  config: z
    .record(z.string(), z.unknown(), { error: 'expected a mapping of names and values' })
    .optional()
    .describe('What the code is given as its configuration; a text may be env:NAME or file:path.'),
  primary_key: columnNames.optional().describe('Column or columns that name a row; checked on load.'),
  write: z
    .enum(['append', 'replace', 'merge'])
    .optional()
    .describe('What a load does with the rows that are there; merge needs primary_key.'),
  columns: columnTypes.optional().describe('Declared types by column. Default: inferred.'),
  max_rejected: share.optional().describe('Share of bad rows above which the load fails. Default: 1%.'),
  freshness: freshness
    .optional()
    .describe('How old the newest row may be; it is checked before what reads it is built.'),
  allow_empty: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .describe('Whether a source without rows may empty the table. Default: false.'),
};

const shared = {
  env: z
    .record(name, z.string({ error: 'expected a text, env:NAME or file:path' }))
    .optional()
    .describe(
      'Variables that the program sees beside PATH, HOME, TMPDIR, TZ and the language; a value may be env:NAME or file:path.',
    ),
  ...resource,
  resources: z
    .record(tableName, z.strictObject(resource))
    .optional()
    .describe('Several tables of one source; what is not said here is taken from the source.'),
};

export const pythonSourceSchema = z.strictObject({
  type: z.literal('python').describe('Kind of source. Default: files.'),
  script: text(/^(?!\/|.*(^|\/)\.\.?(\/|$))\S+\.py$/, 'a file of the project such as sources/github.py').describe(
    'Python script whose functions give rows.',
  ),
  python: text(/^\S+$/, 'an interpreter such as python3.12 or .venv/bin/python')
    .optional()
    .describe('Interpreter. Default: that of .venv in the project, else python3.'),
  ...shared,
});

export const pluginSourceSchema = z.strictObject({
  type: z.literal('plugin').describe('Kind of source. Default: files.'),
  module: text(
    /^(?!\/|.*(^|\/)\.\.?(\/|$))[\w@./-]+$/,
    'a file of the project such as sources/github.ts, or a package',
  ).describe('TypeScript or JavaScript module, or npm package, whose default export is `defineSource({…})`.'),
  ...shared,
});

export type PluginSourceYaml = z.infer<typeof pluginSourceSchema>;
export type PythonSourceYaml = z.infer<typeof pythonSourceSchema>;
export type ProgramResourceYaml = z.infer<z.ZodObject<typeof resource>>;
