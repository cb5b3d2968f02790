import { z } from 'zod';
import { httpSourceSchema } from './http-source.js';
import { postgresSourceSchema } from './postgres-source.js';
import { pluginSourceSchema, pythonSourceSchema } from './program-source.js';
import { intervalKeys } from './interval.js';
import { resourceKeys } from './resource-keys.js';
import { singerSourceSchema } from './singer-source.js';
import {
  columnName,
  columnNames,
  columnTypes,
  jsonPath,
  rate,
  secretReference,
  share,
  tableName,
  text,
} from './values.js';

const headerName = text(/^[^\s:]+$/, 'a name without blanks');
const file = (ending: RegExp, expected: string): z.ZodString =>
  text(new RegExp(`^(?!/)(?!(?:.*/)?\\.\\./)\\S+(?:${ending.source})$`), expected);

const SKIP_LINES = 'expected a whole number from 0 to 1000';

const character = text(/^[\t\x21-\x7e]$/, 'one ASCII character that is no blank, or "\\t" for a tab');

const csv = z.strictObject({
  delimiter: character
    .optional()
    .describe('Between values. Default: tab for .tsv, else found out among comma, tab, semicolon and bar.'),
  quote: z
    .union([character, z.literal('')], { error: 'expected one ASCII character that is no blank, or "" for none' })
    .optional()
    .describe('Around values; "" when marks are part of the text. Default: ".'),
  escape: character.optional().describe('Before a quotation mark inside a quoted value. Default: the quotation mark.'),
  header: z
    .union([z.boolean(), z.array(columnName).min(1)], { error: 'expected true, false or a list of column names' })
    .optional()
    .describe('false: the first line is a row; a list: names for a file without a header. Default: true.'),
  null_values: z
    .union([z.string(), z.array(z.string())], { error: 'expected a text or a list of texts' })
    .optional()
    .describe('Unquoted values that are NULL, beside the empty one.'),
  decimal: z.enum(['.', ',']).optional().describe('Before the decimals of a number. Default: a point.'),
  thousands: z
    .enum(['.', ',', ' ', "'", '_'])
    .optional()
    .describe('Between the thousands of a number; a blank stands for those that do not break too. Default: nothing.'),
  date_format: text(
    /^(?:DD([./-])(?:MM|MON)\1YYYY|(?:MM|MON)([./-])DD\2YYYY|YYYY([./-])(?:MM|MON)\3DD)$/,
    'an order such as DD.MM.YYYY, MM/DD/YYYY or DD-MON-YYYY',
  )
    .optional()
    .describe('How dates are written, such as DD.MM.YYYY, with or without a time behind them. Default: YYYY-MM-DD.'),
  comment: character.optional().describe('Lines that begin with it are left out. Default: none.'),
  skip_lines: z
    .number({ error: SKIP_LINES })
    .int({ error: SKIP_LINES })
    .min(0, { error: SKIP_LINES })
    .max(1_000, { error: SKIP_LINES })
    .optional()
    .describe('Lines before the header. Default: 0.'),
});
export type CsvYaml = z.infer<typeof csv>;

const yesOrNo = z.boolean({ error: 'expected true or false' });
const name = z.string({ error: 'expected a name' }).min(1, { error: 'expected a name' });

const s3 = z.strictObject({
  endpoint: text(/^https?:\/\/[^\s/?#@]+\/?$/i, 'a URL such as http://minio:9000, without a user and a path')
    .optional()
    .describe("URL of another server than Amazon's. Default: AWS_ENDPOINT_URL_S3 of the worker, else Amazon."),
  region: name
    .optional()
    .describe("Of the bucket. Default: the worker's AWS_REGION or profile; us-east-1 where an endpoint is named."),
  path_style: yesOrNo
    .optional()
    .describe('The bucket stands in the path of URLs, not in the host. Default: true where an endpoint is named.'),
  access_key_id: secretReference.optional().describe('Default: as AWS tools find credentials on the worker.'),
  secret_access_key: secretReference.optional().describe('Goes with access_key_id.'),
  session_token: secretReference.optional().describe('Of temporary credentials.'),
  profile: name.optional().describe('Profile in ~/.aws of the worker. Default: AWS_PROFILE.'),
  anonymous: yesOrNo.optional().describe('Requests without credentials, for public buckets. Default: false.'),
});
export type S3Yaml = z.infer<typeof s3>;

const HEADER_ROW = 'expected a whole number from 1 to 1048576';

const xlsx = z.strictObject({
  sheet: name.optional().describe('Name of the sheet. Default: the first that is visible.'),
  range: text(
    /^([A-Z]{1,3}[1-9]\d{0,6}:[A-Z]{1,3}[1-9]\d{0,6}|[A-Z]{1,3}:[A-Z]{1,3}|[1-9]\d{0,6}:[1-9]\d{0,6})$/,
    'cells such as B3:F100, columns such as B:F or rows such as 3:100',
  )
    .optional()
    .describe('The part of the sheet that is read, its header included. Default: all.'),
  header_row: z
    .int({ error: HEADER_ROW })
    .min(1, { error: HEADER_ROW })
    .max(1_048_576, { error: HEADER_ROW })
    .optional()
    .describe('Row of the sheet that has the names. Default: the first that holds something.'),
});

const resource = {
  ...intervalKeys,
  path: z
    .string({ error: 'expected a path or a glob such as data/*.csv' })
    .min(1, { error: 'expected a path or a glob such as data/*.csv' })
    .optional()
    .describe(
      'File or glob, relative to the project or absolute, the http(s) URL of a file, or s3://bucket/key with globs in the key; {interval.start_date} and the like stand for the interval of the run; of an http source, the path behind its url.',
    ),
  format: z
    .enum(['csv', 'json', 'ndjson', 'parquet', 'xlsx', 'auto'])
    .optional()
    .describe('How the files are read. Default: by the ending of the path.'),
  records: jsonPath
    .optional()
    .describe('Of JSON documents, the keys that lead to the list of records. Default: the document is the list.'),
  s3: s3.optional().describe('How a bucket is reached. Default: by the environment of the worker.'),
  allow_private: yesOrNo
    .optional()
    .describe('Lets a URL or an endpoint lead to loopback and private addresses. Default: false.'),
  member: z
    .string({ error: 'expected a name or a glob such as *.csv' })
    .min(1, { error: 'expected a name or a glob such as *.csv' })
    .optional()
    .describe('File or glob inside zip archives. Default: the one file that the archive holds.'),
  encoding: z
    .enum(['utf-8', 'utf-16', 'latin-1', 'windows-1252'])
    .optional()
    .describe('Of text files. Default: UTF-8, or UTF-16 where a byte order mark says so.'),
  csv: csv.optional().describe('How CSV files are written. Default: found out from the file.'),
  xlsx: xlsx.optional().describe('What is read of Excel workbooks. Default: the first visible sheet.'),
  parse: file(/\.m?[jt]s/, 'a module of the project such as parsers/filing.ts')
    .optional()
    .describe(
      'Module of the project, in TypeScript or JavaScript, that makes rows of each file, for formats that are not read as they are.',
    ),
  inventory: file(/\.sql/, 'an SQL file of the project such as inventory/filings.sql')
    .optional()
    .describe('In place of path: a SELECT over loaded tables that names the objects to fetch, one `url` a row.'),
  max_missing: share
    .optional()
    .describe('Share of an inventory that the server may not have (404, 410) before the load fails. Default: 0.'),
  ...resourceKeys,
};

const requests = {
  headers: z
    .record(headerName, z.string({ error: 'expected a text' }))
    .optional()
    .describe(
      'Headers of every request for a URL or for the objects of an inventory; a value may be env:NAME or file:path.',
    ),
  rate_limit: rate
    .optional()
    .describe('Requests in a second, minute or hour, over all workers and runs. Default: no limit.'),
};

const filesSourceSchema = z.strictObject({
  type: z.literal('files').optional().describe('Kind of source. Default: files.'),
  ...resource,
  ...requests,
  resources: z
    .record(tableName, z.strictObject(resource))
    .optional()
    .describe('Several tables of one source; what is not said here is taken from the source.'),
});

/** One form for each `type`. */
export const sourceSchema = z.discriminatedUnion(
  'type',
  [
    filesSourceSchema,
    httpSourceSchema,
    postgresSourceSchema,
    pythonSourceSchema,
    pluginSourceSchema,
    singerSourceSchema,
  ],
  {
    error: ({ code }) =>
      code === 'invalid_union' ? 'expected files, http, postgres, python, plugin or singer' : undefined,
  },
);

export const seedSchema = z.strictObject({
  primary_key: columnNames.optional().describe('Column or columns that name a row; checked on load.'),
  columns: columnTypes.optional().describe('Declared types by column. Default: inferred.'),
});

export type SeedYaml = z.infer<typeof seedSchema>;
export type SourceYaml = z.infer<typeof sourceSchema>;
export type FilesSourceYaml = z.infer<typeof filesSourceSchema>;
export type ResourceYaml = z.infer<z.ZodObject<typeof resource>>;
