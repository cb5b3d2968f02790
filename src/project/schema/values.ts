import { z } from 'zod';
import { DURATION } from '../duration.js';
import { PERCENT } from '../share.js';

/** A text of one form. The error says what is expected, whatever is wrong with it. */
export function text(pattern: RegExp, expected: string): z.ZodString {
  return z.string({ error: `expected ${expected}` }).regex(pattern, { error: `expected ${expected}` });
}

export const duration = text(DURATION, 'a duration such as 30m, 24h or 7d');

const SHARE = 'expected a percentage such as 20%, or a share from 0 to 1';
export const share = z.union(
  [z.number().min(0, { error: SHARE }).max(1, { error: SHARE }), z.string().regex(PERCENT, { error: SHARE })],
  { error: SHARE },
);

export const rate = text(/^[1-9]\d{0,5}\/(s|m|h)$/, 'a rate such as 10/s, 100/m or 1000/h');

export const columnName = z.string({ error: 'expected a column name' }).min(1, { error: 'expected a column name' });
export const columnNames = z.union(
  [columnName, z.array(columnName).min(1, { error: 'expected at least one column' })],
  {
    error: 'expected a column name or a list of them',
  },
);

const columnType = text(
  /^(boolean|bigint|double precision|numeric|numeric\(\d{1,4}, ?\d{1,4}\)|text|date|timestamp|timestamptz|time|jsonb|uuid|bytea)$/,
  'boolean, bigint, double precision, numeric, numeric(38,9), text, date, timestamp, timestamptz, time, jsonb, uuid or bytea',
);
export const columnTypes = z.record(columnName, columnType);

/** Names that become tables and views: as PostgreSQL writes them without quotes, short enough for a stage's suffix. */
export const tableName = text(/^[a-z][a-z0-9_]{0,49}$/, 'a name of small letters, digits and _, at most 50 long');

const scalar = z.union([z.string(), z.number(), z.boolean()]);
/** What `{{ var('name') }}` can give. */
export const varValue = z.union([scalar, z.array(scalar)], {
  error: 'expected a text, a number, true, false or a list of them',
});
export const varName = text(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and _');

/** Keys that lead to a place in a JSON document. */
export const jsonPath = text(/^[^.\s]+(\.[^.\s]+)*$/, 'keys with dots between them, such as data.items');

/** A secret is named here, never written: `env:NAME` or `file:path`. */
export const secretReference = text(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/, 'env:NAME or file:path');
export const SECRET_EXPECTED = 'expected env:NAME or file:path';

/** Nothing that could end a header line, name a second address, or need quotes. */
export const mailAddress = text(
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,187}[A-Za-z0-9])?$/,
  'a mail address such as data@example.com',
);
