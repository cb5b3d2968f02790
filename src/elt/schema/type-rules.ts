import type { ColumnType } from '../../model/project.js';
import { literal } from '../../model/sql-identifier.js';
import { numericDigits } from './numeric-digits.js';

/**
 * DuckDB conditions that say of a text whether PostgreSQL reads it as a type *without changing it*: no rounding, no
 * calendar overflow. Blanks around a value are allowed where PostgreSQL ignores them.
 */
export function isValid(type: ColumnType, text: string): string {
  switch (type) {
    case 'text':
      return 'true';
    case 'boolean':
      return matches(text, 'true|false|t|f|yes|no|y|n|on|off|1|0', 'i');
    case 'bigint':
      return `(${matches(text, '[+-]?[0-9]{1,18}')} OR (${matches(text, '[+-]?[0-9]{19,}')} AND TRY_CAST(trim(${text}) AS BIGINT) IS NOT NULL))`;
    case 'double precision':
      return `(${matches(text, `${NUMBER}(e[+-]?[0-9]+)?`, 'i')} AND TRY_CAST(trim(${text}) AS DOUBLE) IS NOT NULL OR ${matches(text, NOT_FINITE, 'i')})`;
    case 'numeric':
      // PostgreSQL's bounds: 131,072 digits before the point, 16,383 behind it.
      return `(${matches(text, `${NUMBER}(e[+-]?[0-9]{1,4})?`, 'i')} AND length(${text}) <= 16000 OR ${matches(text, NOT_FINITE, 'i')})`;
    case 'date':
      return `(${matches(text, FORMS.date)} AND ${inCalendar(text, 'DATE')} OR ${matches(text, '-?infinity', 'i')})`;
    case 'timestamp':
      return `(${matches(text, FORMS.timestamp)} AND ${inCalendar(text, 'TIMESTAMP')} OR ${matches(text, '-?infinity', 'i')})`;
    case 'timestamptz':
      return `(${matches(text, FORMS.timestamptz)} AND ${inCalendar(`substr(trim(${text}), 1, 10)`, 'DATE')} OR ${matches(text, '-?infinity', 'i')})`;
    case 'time':
      return matches(text, FORMS.time);
    case 'uuid':
      // PostgreSQL ignores no blank around one, and before `\x` none either.
      return isExactly(text, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', 'i');
    case 'jsonb':
      return `json_valid(${text})`;
    case 'bytea':
      return isExactly(text, '\\\\x([0-9a-f]{2})* *', 'i');
    default:
      return fitsNumeric(type, text);
  }
}

/** What a value of the type looks like, for the reason of a reject. */
export function expectation(type: ColumnType): string {
  const known: Partial<Record<ColumnType, string>> = {
    boolean: 'true or false',
    bigint: 'a whole number of at most 64 bits',
    'double precision': 'a number within the range of a double',
    numeric: 'a decimal number',
    date: 'a date as YYYY-MM-DD',
    timestamp: 'a time as YYYY-MM-DD HH:MM:SS, with at most 6 decimals and no zone',
    timestamptz: 'a time as YYYY-MM-DD HH:MM:SS+00:00, with at most 6 decimals and a zone',
    time: 'a time of day as HH:MM:SS',
    uuid: 'a UUID with hyphens',
    jsonb: 'JSON',
    bytea: 'bytes as \\x and hexadecimal digits',
  };
  return known[type] ?? `a number that ${type} holds without rounding`;
}

/** One field of a COPY text line; `\N` for NULL. */
export function copyField(type: ColumnType, text: string): string {
  if (!ESCAPED.has(type)) return `coalesce(${text}, '\\N')`;
  const escaped = ESCAPES.reduce((inner, [from, to]) => `replace(${inner}, ${from}, ${to})`, text);
  // Looking for the four characters first takes a third of the time of replacing them everywhere.
  const isPlain = ESCAPES.map(([from]) => `NOT contains(${text}, ${from})`).join(' AND ');
  return `CASE WHEN ${text} IS NULL THEN '\\N' WHEN ${isPlain} THEN ${text} ELSE ${escaped} END`;
}

const ESCAPES: readonly (readonly [string, string])[] = [
  ['chr(92)', `'\\\\'`],
  ['chr(9)', `'\\t'`],
  ['chr(10)', `'\\n'`],
  ['chr(13)', `'\\r'`],
];
// Every other type's values were matched by a pattern without backslash, tab and line ends.
const ESCAPED = new Set<ColumnType>(['text', 'jsonb', 'bytea']);
const NUMBER = '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)';
const NOT_FINITE = 'nan|[+-]?inf(inity)?';
const DATE = '[0-9]{4}-[0-9]{2}-[0-9]{2}';
const CLOCK = '([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6}0*)?)?';
const ZONE = '(Z|UTC|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)';
/** How dates and times are written, as regular expressions that DuckDB and PostgreSQL read alike. */
const FORMS = {
  date: DATE,
  timestamp: `${DATE}([ T]${CLOCK})?`,
  timestamptz: `${DATE}[ T]${CLOCK} ?${ZONE}`,
  time: CLOCK,
} as const;

/**
 * Condition of PostgreSQL that a text, which it would read as `type`, is written as in a file; of dates and times it reads more: in an
 * order of day and month that nobody said, `tomorrow`, or with a part that gets lost.
 */
export function isWrittenAs(type: ColumnType, text: string): string {
  if (!(type in FORMS)) return 'true';
  const form = FORMS[type as keyof typeof FORMS];
  return `${text} ~* ${literal(`^ *(${type === 'time' ? form : `${form}|-?infinity`}) *$`)}`;
}

function matches(text: string, pattern: string, flags = ''): string {
  return isExactly(text, ` *(${pattern}) *`, flags);
}

function isExactly(text: string, pattern: string, flags = ''): string {
  return `regexp_full_match(${text}, ${literal(pattern)}${flags === '' ? '' : `, '${flags}'`})`;
}

/** A real day of the calendar, not before the year 1: PostgreSQL has no year 0. */
function inCalendar(text: string, type: 'DATE' | 'TIMESTAMP'): string {
  return `coalesce(TRY_CAST(trim(${text}) AS ${type}) >= ${type} '0001-01-01', false)`;
}

function fitsNumeric(type: ColumnType, text: string): string {
  const digits = numericDigits(type);
  if (digits === undefined) throw new RangeError(`unknown column type ${JSON.stringify(type)}`);
  const { scale } = digits;
  const whole = Math.max(digits.whole, 0);
  const fraction = `([.][0-9]{0,${scale}}0*)?`;
  return `(${matches(text, `[+-]?0*[0-9]{0,${whole}}${fraction}`)} AND regexp_matches(${text}, '[0-9]') OR ${fitsWithExponent(whole, scale, text)} OR lower(trim(${text})) = 'nan')`;
}

/** 1e3 is 1000: counts the digits of a number with an exponent before and behind its point, zeros at either end aside. */
function fitsWithExponent(whole: number, scale: number, text: string): string {
  const before = `regexp_extract(${text}, '^ *[+-]?([0-9]*)', 1)`;
  const digits = `${before} || regexp_extract(${text}, '[.]([0-9]*)', 1)`;
  const point = `length(${before}) + TRY_CAST(regexp_extract(${text}, '[eE]([+-]?[0-9]+)', 1) AS INTEGER)`;
  const leading = `length(${digits}) - length(ltrim(${digits}, '0'))`;
  return `${matches(text, `${NUMBER}e[+-]?[0-9]{1,4}`, 'i')} AND length(${text}) <= 16000 AND (ltrim(${digits}, '0') = ''
    OR ${point} - (${leading}) <= ${whole} AND length(rtrim(${digits}, '0')) - (${point}) <= ${scale})`;
}
