import { z } from 'zod';
import { httpSourceSchema } from './http-source.js';
import { columnNames, columnTypes, share, tableName } from './values.js';

const resource = {
  path: z
    .string({ error: 'expected a path or a glob such as data/*.csv' })
    .min(1, { error: 'expected a path or a glob such as data/*.csv' })
    .optional()
    .describe('File or glob, relative to the project or absolute; of an http source, the path behind its url.'),
  primary_key: columnNames.optional().describe('Column or columns that name a row; checked on load.'),
  write: z
    .enum(['append', 'replace', 'merge'])
    .optional()
    .describe(
      'What a load does with the rows that are there; merge needs primary_key. Default: replace for one file, append for a glob.',
    ),
  format: z
    .enum(['csv', 'ndjson', 'parquet', 'auto'])
    .optional()
    .describe('How the files are read. Default: by the ending of the path.'),
  columns: columnTypes.optional().describe('Declared types by column. Default: inferred.'),
  max_rejected: share.optional().describe('Share of bad rows above which the load fails. Default: 1%.'),
};

const filesSourceSchema = z.strictObject({
  type: z.literal('files').optional().describe('Kind of source. Default: files.'),
  ...resource,
  resources: z
    .record(tableName, z.strictObject(resource))
    .optional()
    .describe('Several tables of one source; what is not said here is taken from the source.'),
});

/** One form for each `type`. */
export const sourceSchema = z.discriminatedUnion('type', [filesSourceSchema, httpSourceSchema], {
  error: ({ code }) => (code === 'invalid_union' ? 'expected files or http' : undefined),
});

export const seedSchema = z.strictObject({
  primary_key: columnNames.optional().describe('Column or columns that name a row; checked on load.'),
  columns: columnTypes.optional().describe('Declared types by column. Default: inferred.'),
});

export type SeedYaml = z.infer<typeof seedSchema>;
export type SourceYaml = z.infer<typeof sourceSchema>;
export type FilesSourceYaml = z.infer<typeof filesSourceSchema>;
export type ResourceYaml = z.infer<z.ZodObject<typeof resource>>;
