import type { ColumnType } from '../../model/project.js';
import { digitsEnd, MINUS, PLUS, POINT, ZERO } from './digits.js';
import { isJson } from './is-json.js';
import { numericDigits } from './numeric-digits.js';

/** Whether the bytes `from` up to `to` (UTF-8, without quoting) are a value of a type. */
export type ByteCheck = (bytes: Buffer, from: number, to: number) => boolean;

/**
 * The same question as `isValid` asks of DuckDB, of the bytes themselves: whether PostgreSQL reads the value as the type
 * *without changing it*. Blanks around a value are allowed where PostgreSQL ignores them. jsonb is stricter than
 * DuckDB, which lets through what PostgreSQL would refuse.
 */
export function byteCheck(type: ColumnType): ByteCheck {
  switch (type) {
    case 'text':
      return () => true;
    case 'bigint':
      return trimmed(isBigint);
    case 'double precision':
      return trimmed(isDouble);
    case 'date':
      return trimmed((bytes, from, to) => (to - from === 10 && isDate(bytes, from)) || isInfinity(bytes, from, to));
    case 'timestamp':
      return trimmed(
        (bytes, from, to) =>
          (to - from >= 10 && isDate(bytes, from) && (to - from === 10 || isClock(bytes, from + 10, to))) ||
          isInfinity(bytes, from, to),
      );
    case 'timestamptz':
      return trimmed(
        (bytes, from, to) =>
          (to - from >= 16 && isDate(bytes, from) && isClock(bytes, from + 10, withoutZone(bytes, from + 11, to))) ||
          isInfinity(bytes, from, to),
      );
    case 'time':
      return trimmed((bytes, from, to) => isTimeOfDay(bytes, from, to));
    case 'jsonb':
      return isJson;
    case 'boolean':
      return trimmed(isBoolean);
    case 'numeric':
      return trimmed((bytes, from, to) => isNumeric(bytes, from, to));
    case 'uuid':
      // PostgreSQL ignores no blank around one, and before `\x` none either.
      return exactly(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i);
    case 'bytea':
      return exactly(/^\\x([0-9a-f]{2})* *$/i);
    default:
      return trimmed(numericWithin(type));
  }
}

const SPACE = 32;
const COLON = 58;

function trimmed(check: ByteCheck): ByteCheck {
  return (bytes, from, to) => {
    while (from < to && bytes[from] === SPACE) from++;
    while (to > from && bytes[to - 1] === SPACE) to--;
    return check(bytes, from, to);
  };
}

function exactly(pattern: RegExp): ByteCheck {
  return (bytes, from, to) => pattern.test(bytes.toString('latin1', from, to));
}

const TRUTHS = new Set(['true', 'false', 't', 'f', 'yes', 'no', 'y', 'n', 'on', 'off', '1', '0'].map(packedWord));

function packedWord(word: string): number {
  const bytes = Buffer.from(word);
  return packed(bytes, 0, bytes.length);
}

/** At most five bytes, letters in lower case, as one number that no other bytes give. */
function packed(bytes: Buffer, from: number, to: number): number {
  let word = 1;
  for (let index = from; index < to; index++) {
    const byte = bytes[index]!;
    word = word * 256 + (byte >= 65 && byte <= 90 ? byte + 32 : byte);
  }
  return word;
}

function isBoolean(bytes: Buffer, from: number, to: number): boolean {
  return to - from <= 5 && TRUTHS.has(packed(bytes, from, to));
}

function signEnd(bytes: Buffer, from: number): number {
  return bytes[from] === PLUS || bytes[from] === MINUS ? from + 1 : from;
}

const BIGINT = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

function isBigint(bytes: Buffer, from: number, to: number): boolean {
  const start = Math.min(signEnd(bytes, from), to);
  if (start === to || digitsEnd(bytes, start, to) !== to) return false;
  if (to - start <= 18) return true;
  const value = BigInt(bytes.toString('latin1', start, to)) * (bytes[from] === MINUS ? -1n : 1n);
  return value >= BIGINT.min && value <= BIGINT.max;
}

/** The end of `[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)`; -1 when that is not what begins at `from`. */
function numberEnd(bytes: Buffer, from: number, to: number): number {
  const start = Math.min(signEnd(bytes, from), to);
  const whole = digitsEnd(bytes, start, to);
  if (bytes[whole] !== POINT || whole === to) return whole === start ? -1 : whole;
  const fraction = digitsEnd(bytes, whole + 1, to);
  return fraction - start === 1 ? -1 : fraction;
}

const NOT_FINITE = /^(nan|[+-]?inf(inity)?)$/i;

function isDouble(bytes: Buffer, from: number, to: number): boolean {
  const end = numberEnd(bytes, from, to);
  if (end === -1) return NOT_FINITE.test(bytes.toString('latin1', from, to));
  if (end === to && to - from <= 300) return true;
  const text = bytes.toString('latin1', from, to);
  return (end === to || /^e[+-]?[0-9]+$/i.test(bytes.toString('latin1', end, to))) && isInRange(text);
}

/** Neither above the largest double nor, unless it is zero, below the smallest. */
function isInRange(text: string): boolean {
  const value = Number(text);
  return Number.isFinite(value) && (value !== 0 || !/[1-9]/.test(text.replace(/e.*$/i, '')));
}

// PostgreSQL's bounds: 131,072 digits before the point, 16,383 behind it.
const NUMERIC_BYTES = 16_000;

function isNumeric(bytes: Buffer, from: number, to: number): boolean {
  const end = numberEnd(bytes, from, to);
  if (end === -1) return NOT_FINITE.test(bytes.toString('latin1', from, to));
  return to - from <= NUMERIC_BYTES && (end === to || /^e[+-]?[0-9]{1,4}$/i.test(bytes.toString('latin1', end, to)));
}

/** At most precision − scale digits before the point and scale behind it, where an exponent puts it, zeros at either end aside. */
function numericWithin(type: ColumnType): ByteCheck {
  const digits = numericDigits(type);
  if (digits === undefined) throw new RangeError(`unknown column type ${JSON.stringify(type)}`);
  const { scale } = digits;
  const maxWhole = Math.max(digits.whole, 0);
  return (bytes, from, to) => {
    const end = numberEnd(bytes, from, to);
    if (end === -1) return /^nan$/i.test(bytes.toString('latin1', from, to));
    const exponent = end === to ? 0 : exponentOf(bytes, from, end, to);
    if (exponent === undefined) return false;
    let first = signEnd(bytes, from);
    const point = digitsEnd(bytes, first, end);
    while (first < end && (bytes[first] === ZERO || bytes[first] === POINT)) first++;
    if (first === end) return true;
    let last = end;
    while (bytes[last - 1] === ZERO || bytes[last - 1] === POINT) last--;
    const whole = point - first + (first > point ? 1 : 0) + exponent;
    const decimals = last - point - (last > point ? 1 : 0) - exponent;
    return whole <= maxWhole && decimals <= scale;
  };
}

/** Of `e3` at the end of a number; undefined when that is something else, or the number too long for one. */
function exponentOf(bytes: Buffer, from: number, at: number, to: number): number | undefined {
  const [, exponent] = /^e([+-]?[0-9]{1,4})$/i.exec(bytes.toString('latin1', at, to)) ?? [];
  return exponent === undefined || to - from > NUMERIC_BYTES ? undefined : Number(exponent);
}

function isInfinity(bytes: Buffer, from: number, to: number): boolean {
  return to - from >= 8 && to - from <= 9 && /^-?infinity$/i.test(bytes.toString('latin1', from, to));
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** `YYYY-MM-DD`, a real day of the calendar, not before the year 1: PostgreSQL has no year 0. */
function isDate(bytes: Buffer, at: number): boolean {
  if (digitsEnd(bytes, at, at + 4) !== at + 4 || bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS) return false;
  const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2);
  const month = twoDigits(bytes, at + 5);
  const day = twoDigits(bytes, at + 8);
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const isLeap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= DAYS[month - 1]! + (isLeap ? 1 : 0);
}

/** −1 or less when one of the two bytes is no digit. */
function twoDigits(bytes: Buffer, at: number): number {
  const tens = bytes[at]! - ZERO;
  const ones = bytes[at + 1]! - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : -100;
}

/** A `T` or a blank, then a time of day. */
function isClock(bytes: Buffer, from: number, to: number): boolean {
  return (bytes[from] === 84 || bytes[from] === SPACE) && isTimeOfDay(bytes, from + 1, to);
}

/** `HH:MM`, `HH:MM:SS` or with up to 6 decimals and any zeros behind them. */
function isTimeOfDay(bytes: Buffer, from: number, to: number): boolean {
  if (to - from < 5 || bytes[from + 2] !== COLON) return false;
  if (!isWithin(twoDigits(bytes, from), 23) || !isWithin(twoDigits(bytes, from + 3), 59)) return false;
  if (to - from === 5) return true;
  if (to - from < 8 || bytes[from + 5] !== COLON || !isWithin(twoDigits(bytes, from + 6), 59)) return false;
  if (to - from === 8) return true;
  if (bytes[from + 8] !== POINT || digitsEnd(bytes, from + 9, to) !== to) return false;
  let last = to;
  while (last > from + 15 && bytes[last - 1] === ZERO) last--;
  return to > from + 9 && last <= from + 15;
}

function isWithin(value: number, max: number): boolean {
  return value >= 0 && value <= max;
}

/** Where the zone of a timestamp begins; −1 when it has none. */
function withoutZone(bytes: Buffer, from: number, to: number): number {
  if (bytes[to - 1] === 90) return withoutBlank(bytes, to - 1); // Z
  // UTC
  if (bytes[to - 1] === 67 && bytes[to - 2] === 84 && bytes[to - 3] === 85) return withoutBlank(bytes, to - 3);
  for (let at = to - 3; at >= to - 6 && at > from; at--) {
    if (bytes[at] !== PLUS && bytes[at] !== MINUS) continue;
    if (!isWithin(twoDigits(bytes, at + 1), 15)) return -1;
    if (at + 3 === to) return withoutBlank(bytes, at);
    const minutes = bytes[at + 3] === COLON ? at + 4 : at + 3;
    return minutes + 2 === to && isWithin(twoDigits(bytes, minutes), 59) ? withoutBlank(bytes, at) : -1;
  }
  return -1;
}

function withoutBlank(bytes: Buffer, end: number): number {
  return bytes[end - 1] === SPACE ? end - 1 : end;
}
