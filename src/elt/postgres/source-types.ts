import type { ResultColumn } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';

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

/** The modifier holds precision and scale in 16 bits each, of which the scale's lower 11 have a sign. */
function numericType(modifier: number): ColumnType {
  if (modifier < 4) return 'numeric';
  const precision = ((modifier - 4) >> 16) & 0xffff;
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  return scale >= 0 && scale <= precision ? `numeric(${precision},${scale})` : 'numeric';
}
