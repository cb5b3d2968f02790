import { z } from 'zod';
import { columnName, columnNames, share, tableName, text } from './values.js';

const columnType = text(
  /^(boolean|bigint|double precision|numeric|numeric\(\d{1,4}, ?\d{1,4}\)|text|date|timestamp|timestamptz|time|jsonb|uuid|bytea)$/,
  'boolean, bigint, double precision, numeric, numeric(38,9), text, date, timestamp, timestamptz, time, jsonb, uuid or bytea',
);

const resource = {
  path: z
    .string({ error: 'expected a path or a glob such as data/*.csv' })
    .min(1, { error: 'expected a path or a glob such as data/*.csv' })
    .optional()
    .describe('File or glob, relative to the project or absolute.'),
  primary_key: columnNames.optional().describe('Column or columns that name a row; checked on load.'),
  write: z
    .enum(['append', 'replace', 'merge'])
    .optional()
    .describe('What a load does with the rows that are there; merge needs primary_key. Default: replace for one file, append for a glob.'),
  format: z.enum(['csv', 'ndjson', 'parquet', 'auto']).optional().describe('How the files are read. Default: by the ending of the path.'),
  columns: z.record(columnName, columnType).optional().describe('Declared types by column. Default: inferred.'),
  max_rejected: share.optional().describe('Share of bad rows above which the load fails. Default: 1%.'),
};

export const sourceSchema = z.strictObject({
  type: z.literal('files').optional().describe('Kind of source. Default: files.'),
  ...resource,
  resources: z
    .record(tableName, z.strictObject(resource))
    .optional()
    .describe('Several tables of one source; what is not said here is taken from the source.'),
});

export const seedSchema = z.strictObject({
  primary_key: columnNames.optional().describe('Column or columns that name a row; checked on load.'),
  columns: z.record(columnName, columnType).optional().describe('Declared types by column. Default: inferred.'),
});

export type SeedYaml = z.infer<typeof seedSchema>;
export type SourceYaml = z.infer<typeof sourceSchema>;
export type ResourceYaml = z.infer<z.ZodObject<typeof resource>>;
