import { z } from 'zod';
import { cursorKeys } from './cursor.js';
import { intervalKeys } from './interval.js';
import { resourceKeys } from './resource-keys.js';
import { columnName, jsonPath, rate, secretReference, tableName, text } from './values.js';

const parameter = z.union([z.string(), z.number(), z.boolean()], {
  error: 'expected a text, a number, or true or false',
});
const name = text(/^[^\s:]+$/, 'a name without blanks');
const secret = secretReference;

const auth = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('bearer').describe('How the source knows who asks.'),
    token: secret.describe('Sent as `Authorization: Bearer …`. As env:NAME or file:path, like every secret.'),
  }),
  z.strictObject({
    type: z.literal('basic'),
    user: z
      .string({ error: 'expected a user name, env:NAME or file:path' })
      .min(1)
      .describe('User name, or where it is.'),
    password: secret.describe('Password of `basic`.'),
  }),
  z.strictObject({
    type: z.literal('header'),
    name: name.describe('Header that carries the key, such as X-Api-Key.'),
    value: secret.describe('The key.'),
  }),
  z.strictObject({
    type: z.literal('oauth2'),
    token_url: text(/^https?:\/\/\S+$/, 'an address such as https://example.org/oauth/token').describe(
      'Where client credentials get a token.',
    ),
    client_id: z
      .string({ error: 'expected a client id, env:NAME or file:path' })
      .min(1)
      .describe('Client id, or where it is.'),
    client_secret: secret.describe('Secret of the client.'),
    client_auth: z
      .enum(['basic', 'post'], { error: 'expected basic or post' })
      .optional()
      .describe('How the token’s server gets id and secret: basic, as a header, or post, in the body. Default: basic.'),
    scope: z.string({ error: 'expected a text' }).optional().describe('Scope asked for.'),
    params: z
      .record(name, parameter)
      .optional()
      .describe(
        'What else the token’s server wants to be sent, such as audience; a value may be env:NAME or file:path.',
      ),
  }),
]);

const place = z
  .enum(['params', 'body'], { error: 'expected params or body' })
  .optional()
  .describe(
    'Where `param` is sent: as a parameter of the address, or in the body, where it is keys with dots between them. Default: params.',
  );

const start = z.int({ error: 'expected a whole number' }).min(0, { error: 'expected 0 or more' }).optional();
const pagination = z.discriminatedUnion('type', [
  z.strictObject({
    type: z
      .literal('none')
      .describe(
        'How an answer leads to the next page. The last page of page and offset is the first one without records.',
      ),
  }),
  z.strictObject({
    type: z.literal('page'),
    param: name
      .optional()
      .describe('Parameter that moves from page to page. Default: page, offset or cursor, as the type.'),
    in: place,
    start: start.describe('First page or offset. Default: 1 for page, 0 for offset.'),
  }),
  z.strictObject({ type: z.literal('offset'), param: name.optional(), in: place, start }),
  z.strictObject({
    type: z.literal('cursor'),
    param: name.optional(),
    in: place,
    token: jsonPath.describe('Where the answer has the next token; without one it is the last page.'),
    has_more: jsonPath
      .optional()
      .describe(
        'Where the answer says whether there is a further page, such as data.orders.pageInfo.hasNextPage. Default: the token says it.',
      ),
  }),
  z.strictObject({ type: z.literal('link') }),
  z.strictObject({
    type: z.literal('next_url'),
    url: jsonPath.describe('Where the answer has the address of the next page.'),
  }),
]);

const cursor = z.strictObject({
  ...cursorKeys,
  param: name.describe('Parameter that asks for what is new from a cursor on.'),
  in: place,
});

const forEach = z.strictObject({
  rows_of: text(/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$/, 'a resource such as orders, or shop.orders of another source')
    .optional()
    .describe('Resource whose rows are asked for one by one: of this source, or source.resource.'),
  query: text(/^(?!\/)(?!(?:.*\/)?\.\.\/)\S+\.sql$/, 'an SQL file of the project such as parents/orders.sql')
    .optional()
    .describe('In place of rows_of: a SELECT over loaded tables that gives the rows.'),
  columns: z
    .record(columnName, columnName)
    .optional()
    .describe('Columns that are added to each record: name, and the column of the row that it comes from.'),
  missing: z
    .enum(['fail', 'ignore'])
    .optional()
    .describe('What becomes of a row for which the server answers 404 or 410. Default: fail.'),
  parallel: z
    .int({ error: 'expected a whole number' })
    .min(1, { error: 'expected 1 or more' })
    .max(32, { error: 'expected at most 32' })
    .optional()
    .describe('Rows that are asked for at the same time, under the rate limit of the source. Default: 4.'),
});

const body = z
  .record(z.string(), z.unknown(), { error: 'expected an object' })
  .optional()
  .describe(
    'Sent as JSON with method: POST; texts in it may be env:NAME or file:path, and hold {interval.start} and {row.column} like params. Default: {}.',
  );

const resource = {
  method: z
    .enum(['GET', 'POST'], { error: 'expected GET or POST' })
    .optional()
    .describe('How pages are asked for. A POST is tried again like a GET, so it must only read. Default: GET.'),
  body,
  errors: jsonPath
    .optional()
    .describe(
      'Where an answer with status 200 says what went wrong; anything there ends the load. Default: errors where the body has a `query` text, as GraphQL does; else nowhere.',
    ),
  path: text(/^\/[^\s?#]*$/, 'a path such as /orders, without parameters')
    .optional()
    .describe(
      'Path of a resource of an http source, behind its url; {interval.start} and the like stand for the interval of the run.',
    ),
  records: jsonPath.optional().describe('Where an answer has its list of records. Default: the answer is the list.'),
  params: z
    .record(name, parameter)
    .optional()
    .describe(
      'Parameters of every request; a value may be env:NAME or file:path, and {interval.start}, end, start_date, end_date, last_date stand for the interval of the run.',
    ),
  for_each: forEach
    .optional()
    .describe(
      'Asks once for each row of another table; {row.column} in path, params and body stands for a value of the row.',
    ),
  pagination: pagination.optional().describe('How an answer leads to the next page. Default: none.'),
  cursor: cursor.optional().describe('Asks only for what is new; needs primary_key and write: merge.'),
  ...intervalKeys,
  ...resourceKeys,
};

export const httpSourceSchema = z.strictObject({
  type: z.literal('http').describe('Kind of source. Default: files.'),
  url: text(
    /^https?:\/\/[^\s?#@]+$/,
    'an address such as https://api.example.org/v1, without user name and parameters',
  ).describe('Address that the paths of an http source start from.'),
  auth: auth.optional().describe('How the source knows who asks. Default: it does not.'),
  headers: z
    .record(name, z.string({ error: 'expected a text' }))
    .optional()
    .describe('Headers of every request; a value may be env:NAME or file:path.'),
  rate_limit: rate
    .optional()
    .describe('Requests in a second, minute or hour, over all workers and runs. Default: no limit.'),
  allow_private: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .describe(
      'Whether the source may be on this machine or in a private network; never a link-local address. Default: false.',
    ),
  ...resource,
  resources: z
    .record(tableName, z.strictObject(resource))
    .optional()
    .describe('Several tables of one source; what is not said here is taken from the source.'),
});

export type HttpSourceYaml = z.infer<typeof httpSourceSchema>;
export type HttpResourceYaml = z.infer<z.ZodObject<typeof resource>>;
