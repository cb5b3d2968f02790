import type { ResultColumn } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { numericDigits } from '../schema/numeric-digits.js';

/** A type of PostgreSQL whose values a column of the warehouse holds exactly. */
interface Mapping {
  readonly type: ColumnType;
  /** Whether the source casts: binary COPY carries a type's own bytes, and no others fit. */
  readonly cast?: true;
}

// pg_type.dat; these numbers are the same in every server.
const BOOLEAN = 16;
const NUMERIC = 1700;
const JSON_TEXT = 114;
const BY_ID: Readonly<Record<number, Mapping>> = {
  [BOOLEAN]: { type: 'boolean' },
  17: { type: 'bytea' },
  20: { type: 'bigint' },
  21: { type: 'bigint', cast: true }, // smallint
  23: { type: 'bigint', cast: true }, // integer
  25: { type: 'text' },
  26: { type: 'bigint', cast: true }, // oid
  700: { type: 'double precision', cast: true }, // real
  701: { type: 'double precision' },
  1042: { type: 'text' }, // char(n): text's bytes, its blanks at the end included
  1043: { type: 'text' }, // varchar
  1082: { type: 'date' },
  1083: { type: 'time' },
  1114: { type: 'timestamp' },
  1184: { type: 'timestamptz' },
  [NUMERIC]: { type: 'numeric' },
  2950: { type: 'uuid' },
  3802: { type: 'jsonb' },
};

/**
 * The column that holds a source's column exactly, and the SQL that gives its values. A type without one of its own
 * (json, arrays, enums, ranges, intervals, addresses …) arrives as the text that PostgreSQL writes for it.
 *
 * @param value the source's column as SQL
 * @param declared a type that plumbline.yaml asks for: a cast in the source
 */
export function mapColumn(
  { typeId, typeModifier }: Pick<ResultColumn, 'typeId' | 'typeModifier'>,
  value: string,
  declared: ColumnType | undefined,
): { readonly type: ColumnType; readonly sql: string } {
  const mapping = typeId === NUMERIC ? { type: numericType(typeModifier) } : BY_ID[typeId];
  if (declared === undefined || declared === mapping?.type) {
    const { type, cast } = mapping ?? { type: 'text', cast: true };
    return { type, sql: cast === true ? `${value}::${type}` : value };
  }
  // A text or json is read as JSON; of an array or another value it is made.
  const isText = typeId === JSON_TEXT || mapping?.type === 'text';
  return { type: declared, sql: declared === 'jsonb' && !isText ? `to_jsonb(${value})` : `(${value})::${declared}` };
}

/**
 * The SQL that gives a source's column for a column of another type: a cast where every value goes over unchanged, else the text of the
 * value, which `isChecked` then asks to compare with the type. Never fails in the source. A time without a zone is one of UTC.
 *
 * @param value the source's column as SQL
 */
export function fitColumn(
  column: Pick<ResultColumn, 'typeId' | 'typeModifier'>,
  value: string,
  type: ColumnType,
): { readonly sql: string; readonly isChecked: boolean } {
  const own = mapColumn(column, value, undefined);
  const cast = mapColumn(column, value, type);
  const isMadeJson = type === 'jsonb' && cast.sql.startsWith('to_jsonb');
  return own.type === type || isMadeJson || holdsAll(type, own.type)
    ? { sql: cast.sql, isChecked: false }
    : { sql: textOf(own, type), isChecked: true };
}

const TIMES: readonly ColumnType[] = ['timestamp', 'timestamptz'];

/** Whether every value of a source's type is one of another. */
function holdsAll(type: ColumnType, values: ColumnType): boolean {
  if (type === 'text') return true;
  if (TIMES.includes(type)) return TIMES.includes(values);
  const digits = digitsOf(values);
  if (digits === undefined) return false;
  const room = digitsOf(type);
  return type === 'numeric' || (room !== undefined && room.whole >= digits.whole && room.scale >= digits.scale);
}

/** Decimal digits before and behind the point; undefined of what has no bounds. */
function digitsOf(type: ColumnType): { readonly whole: number; readonly scale: number } | undefined {
  return type === 'bigint' ? { whole: 19, scale: 0 } : numericDigits(type);
}

/** A value as text, in the form that the other type has for it if it has one: 30.00 is 30, and midnight a date. */
function textOf(own: { readonly type: ColumnType; readonly sql: string }, type: ColumnType): string {
  const value = `(${own.sql})`;
  const either = (when: string, text: string): string => `CASE WHEN ${when} THEN ${text} ELSE ${value}::text END`;
  if (own.type === 'double precision') {
    // Every whole double within these bounds is a bigint; as numeric it would be rounded to 15 digits.
    if (type === 'bigint')
      return either(
        `${value} = trunc(${value}) AND ${value} >= -9223372036854775808 AND ${value} < 9223372036854775808`,
        `${value}::bigint::text`,
      );
    if (type.startsWith('numeric')) return either(`abs(${value}) < 'Infinity'`, `${value}::text::numeric::text`);
  }
  if (own.type.startsWith('numeric') && type === 'bigint')
    return either(`${value} = trunc(${value})`, `trunc(${value})::text`);
  if (TIMES.includes(own.type) && type === 'date') return either(`${value} = ${value}::date`, `${value}::date::text`);
  return `${value}::text`;
}

/** The modifier holds precision and scale in 16 bits each, of which the scale's lower 11 have a sign. */
function numericType(modifier: number): ColumnType {
  if (modifier < 4) return 'numeric';
  const precision = ((modifier - 4) >> 16) & 0xffff;
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  return scale >= 0 && scale <= precision ? `numeric(${precision},${scale})` : 'numeric';
}
