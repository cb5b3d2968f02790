import { z } from 'zod';
import { resourceKeys } from './resource-keys.js';
import { tableName, text } from './values.js';

const name = text(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and _');

const resource = {
  function: name.optional().describe('Function that gives the rows. Default: the one with the name of the resource.'),
  config: z
    .record(z.string(), z.unknown(), { error: 'expected a mapping of names and values' })
    .optional()
    .describe('What the code is given as its configuration; a text may be env:NAME or file:path.'),
  ...resourceKeys,
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
