import { byteCheck } from './byte-checks.js';
import { digitsEnd, MINUS, NINE, PLUS, POINT, ZERO } from './digits.js';
import { CLASSES, type ValueClass } from './infer-types.js';

const numberOf = (name: ValueClass): number => CLASSES.indexOf(name);
const INTEGER = numberOf('integer');
const LONG_INTEGER = numberOf('long_integer');
const HUGE_INTEGER = numberOf('huge_integer');
const DECIMAL = numberOf('decimal');
const LONG_DECIMAL = numberOf('long_decimal');
const EXPONENT = numberOf('exponent');
const NOT_FINITE = numberOf('not_finite');
const CODE = numberOf('code');
const BOOLEAN = numberOf('boolean');
const TIME = numberOf('time');
const OTHER = numberOf('other');

const SPACE = 32;
const COLON = 58;

const isBigint = byteCheck('bigint');
const isTime = byteCheck('time');
/** In the order in which DuckDB is asked. */
const DATES = (['date', 'timestamp', 'timestamptz'] as const).map((type) => ({
  number: numberOf(type),
  isValid: byteCheck(type),
}));

/**
 * The number in CLASSES of the bytes `from` up to `to` (UTF-8, without quoting): what `classesQuery` asks of DuckDB. A year 0,
 * which PostgreSQL does not have, makes no date here.
 */
export function classOfBytes(bytes: Buffer, from: number, to: number): number {
  while (from < to && bytes[from] === SPACE) from++;
  while (to > from && bytes[to - 1] === SPACE) to--;
  if (from === to) return OTHER;
  const first = bytes[from]!;
  if (first >= ZERO && first <= NINE && from + 4 < to && bytes[from + 4] === MINUS) {
    for (const { number, isValid } of DATES) if (isValid(bytes, from, to)) return number;
    return numberClass(bytes, from, to);
  }
  if ((first >= ZERO && first <= NINE) || first === PLUS || first === MINUS || first === POINT)
    return numberClass(bytes, from, to);
  return to - from <= LONGEST_WORD ? wordClass(bytes, from, to) : OTHER;
}

function numberClass(bytes: Buffer, from: number, to: number): number {
  const hasPlus = bytes[from] === PLUS;
  const hasMinus = bytes[from] === MINUS;
  const start = hasPlus || hasMinus ? from + 1 : from;
  const whole = digitsEnd(bytes, start, to);
  const digits = whole - start;
  const hasLeadingZero = digits > 1 && bytes[start] === ZERO;
  if (whole === to) {
    if (digits === 0) return OTHER;
    if (hasPlus || hasLeadingZero) return hasMinus ? OTHER : CODE;
    if (digits <= 15) return INTEGER;
    return digits <= 18 || isBigint(bytes, from, to) ? LONG_INTEGER : HUGE_INTEGER;
  }
  const isPoint = bytes[whole] === POINT;
  const end = isPoint ? digitsEnd(bytes, whole + 1, to) : whole;
  const decimals = isPoint ? end - whole - 1 : 0;
  // At most 15 digits and the point.
  if (end === to && decimals > 0 && !hasPlus && !hasLeadingZero) return to - start <= 16 ? DECIMAL : LONG_DECIMAL;
  if (digits + decimals > 0 && isExponent(bytes, end, to)) return EXPONENT;
  if (digits === 2 && bytes[whole] === COLON && isTime(bytes, from, to)) return TIME;
  return to - from <= LONGEST_WORD ? wordClass(bytes, from, to) : OTHER;
}

/** `[eE][+-]?[0-9]+` */
function isExponent(bytes: Buffer, at: number, to: number): boolean {
  if (at >= to || (bytes[at] !== 69 && bytes[at] !== 101)) return false;
  const sign = bytes[at + 1] === PLUS || bytes[at + 1] === MINUS ? at + 2 : at + 1;
  return sign < to && digitsEnd(bytes, sign, to) === to;
}

// -infinity
const LONGEST_WORD = 9;
/** First bytes of true, false, nan and inf, which may have a sign. */
const WORD_STARTS = new Set([...'tfniTFNI+-'].map((letter) => letter.charCodeAt(0)));

function wordClass(bytes: Buffer, from: number, to: number): number {
  if (to - from < 3 || !WORD_STARTS.has(bytes[from]!)) return OTHER;
  const word = bytes.toString('latin1', from, to);
  if (/^(true|false)$/i.test(word)) return BOOLEAN;
  return /^(nan|[+-]?inf(inity)?)$/i.test(word) ? NOT_FINITE : OTHER;
}
