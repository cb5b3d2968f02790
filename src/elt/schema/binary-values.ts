import type { ColumnType } from '../../model/project.js';
import { digitsEnd, MINUS, PLUS, POINT, ZERO } from './digits.js';

/**
 * Writes a value, which `byteCheck` of its type accepts, as COPY's binary format has it, its length first, and gives the end
 * of what it wrote: at most `to - from + MOST_BYTES` bytes.
 */
export type BinaryWriter = (bytes: Buffer, from: number, to: number, block: Buffer, at: number) => number;

/** What a value takes at most beyond the bytes of its text: the length, and the parts of a number. */
export const MOST_BYTES = 24;

/** Formats: the `…recv` functions of PostgreSQL's types. */
export function binaryWriter(type: ColumnType): BinaryWriter {
  switch (type) {
    case 'text':
      return writeText;
    case 'jsonb':
      return writeJsonb;
    case 'bigint':
      return trimmed(writeBigint);
    case 'double precision':
      return trimmed(writeDouble);
    case 'boolean':
      return trimmed(writeBoolean);
    case 'date':
      return trimmed(writeDate);
    case 'time':
      return trimmed((bytes, from, to, block, at) => writeInt64(block, at, microsOfDay(bytes, from, to)));
    case 'timestamp':
    case 'timestamptz':
      return trimmed(writeTimestamp);
    case 'uuid':
      return (bytes, from, to, block, at) => writeHex(bytes, from, to, block, at);
    case 'bytea':
      return (bytes, from, to, block, at) => writeHex(bytes, from + 2, to, block, at);
    default:
      return trimmed(writeNumeric);
  }
}

/** A length or any other 32 bits. */
export function writeInt32(block: Buffer, at: number, value: number): number {
  block[at] = value >>> 24;
  block[at + 1] = value >>> 16;
  block[at + 2] = value >>> 8;
  block[at + 3] = value;
  return at + 4;
}

/** A whole number that a double holds exactly, as a bigint with its length. */
export function writeInt64(block: Buffer, at: number, value: number): number {
  const high = Math.floor(value / 2 ** 32);
  return writeInt32(block, writeInt32(block, writeInt32(block, at, 8), high), value - high * 2 ** 32);
}

// From so many bytes on a call that copies them is faster than a loop.
const LONG_TEXT = 100;

export function writeText(bytes: Buffer, from: number, to: number, block: Buffer, at: number): number {
  return copyBytes(bytes, from, to, block, writeInt32(block, at, to - from));
}

function writeJsonb(bytes: Buffer, from: number, to: number, block: Buffer, at: number): number {
  const start = writeInt32(block, at, to - from + 1);
  block[start] = 1; // the version of the format
  return copyBytes(bytes, from, to, block, start + 1);
}

function copyBytes(bytes: Buffer, from: number, to: number, block: Buffer, at: number): number {
  if (to - from >= LONG_TEXT) return at + bytes.copy(block, at, from, to);
  for (let index = from; index < to; index++) block[at++] = bytes[index]!;
  return at;
}

const SPACE = 32;

function trimmed(write: BinaryWriter): BinaryWriter {
  return (bytes, from, to, block, at) => {
    while (bytes[from] === SPACE) from++;
    while (bytes[to - 1] === SPACE) to--;
    return write(bytes, from, to, block, at);
  };
}

/** Digits that a double holds exactly, whatever they are. */
const EXACT_DIGITS = 15;

/** The number that the digits between `from` and `to` are, the rest passed over. */
function digitsValue(bytes: Buffer, from: number, to: number): number {
  let value = 0;
  for (let index = from; index < to; index++) {
    const digit = bytes[index]! - ZERO;
    if (digit >= 0 && digit <= 9) value = value * 10 + digit;
  }
  return value;
}

function writeBigint(bytes: Buffer, from: number, to: number, block: Buffer, at: number): number {
  const isNegative = bytes[from] === MINUS;
  const start = isNegative || bytes[from] === PLUS ? from + 1 : from;
  if (to - start <= EXACT_DIGITS) {
    const value = digitsValue(bytes, start, to);
    return writeInt64(block, at, isNegative ? -value : value);
  }
  const value = BigInt(bytes.toString('latin1', start, to));
  return block.writeBigInt64BE(isNegative ? -value : value, writeInt32(block, at, 8));
}

/** Powers of ten that a double holds exactly. */
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => 10 ** power);

function writeDouble(bytes: Buffer, from: number, to: number, block: Buffer, at: number): number {
  return block.writeDoubleBE(doubleOf(bytes, from, to), writeInt32(block, at, 8));
}

/** Both ways give the double that is nearest: one division of exact numbers rounds once. */
function doubleOf(bytes: Buffer, from: number, to: number): number {
  const isNegative = bytes[from] === MINUS;
  const start = isNegative || bytes[from] === PLUS ? from + 1 : from;
  const whole = digitsEnd(bytes, start, to);
  const end = whole < to && bytes[whole] === POINT ? digitsEnd(bytes, whole + 1, to) : whole;
  if (end === to && to - start - (end > whole ? 1 : 0) <= EXACT_DIGITS) {
    const value = digitsValue(bytes, start, to) / POWERS[Math.max(end - whole - 1, 0)]!;
    return isNegative ? -value : value;
  }
  const text = bytes.toString('latin1', from, to);
  if (/^nan$/i.test(text)) return NaN;
  if (/inf/i.test(text)) return isNegative ? -Infinity : Infinity;
  return Number(text);
}

const NUMERIC_NAN = 0xc000;
const NUMERIC_INFINITY = 0xd000;
const NUMERIC_MINUS_INFINITY = 0xf000;
const NUMERIC_MINUS = 0x4000;

/** Groups of four decimal digits, aligned at the point. Zeros at the end only say how many decimals there are; those in front are PostgreSQL's to leave out. */
function writeNumeric(bytes: Buffer, from: number, to: number, block: Buffer, at: number): number {
  const isNegative = bytes[from] === MINUS;
  const start = isNegative || bytes[from] === PLUS ? from + 1 : from;
  const whole = digitsEnd(bytes, start, to);
  const hasPoint = whole < to && bytes[whole] === POINT;
  const end = hasPoint ? digitsEnd(bytes, whole + 1, to) : whole;
  const digits = end - start - (hasPoint ? 1 : 0);
  if (digits === 0) return writeNumericHead(block, at, 0, 0, wordSign(bytes, from, to), 0);
  const exponent = end === to ? 0 : Number(bytes.toString('latin1', end + 1, to));
  // The value is 0.ddd… × 10^scale; zeros before its first digit fill up the first group.
  const scale = whole - start + exponent;
  const weight = Math.ceil(scale / 4) - 1;
  let last = end;
  while (last > whole + 1 && bytes[last - 1] === ZERO) last--;
  const groups = Math.ceil((4 * (weight + 1) - scale + digits - (end - last)) / 4);
  let place = writeNumericHead(block, at, groups, weight, isNegative ? NUMERIC_MINUS : 0, Math.max(digits - scale, 0));
  let group = 0;
  let left = 4 - (4 * (weight + 1) - scale);
  for (let index = start; index < last; index++) {
    if (index === whole) continue;
    group = group * 10 + bytes[index]! - ZERO;
    if (--left > 0) continue;
    block[place++] = group >> 8;
    block[place++] = group;
    group = 0;
    left = 4;
  }
  if (left === 4) return place;
  group *= POWERS[left]!;
  block[place++] = group >> 8;
  block[place++] = group;
  return place;
}

function writeNumericHead(
  block: Buffer,
  at: number,
  groups: number,
  weight: number,
  sign: number,
  decimals: number,
): number {
  const start = writeInt32(block, at, 8 + 2 * groups);
  return writeInt32(block, writeInt32(block, start, (groups << 16) | (weight & 0xffff)), (sign << 16) | decimals);
}

function wordSign(bytes: Buffer, from: number, to: number): number {
  if (/^nan$/i.test(bytes.toString('latin1', from, to))) return NUMERIC_NAN;
  return bytes[from] === MINUS ? NUMERIC_MINUS_INFINITY : NUMERIC_INFINITY;
}

/** t, true, y, yes, on, 1 and what is not. */
function writeBoolean(bytes: Buffer, from: number, _to: number, block: Buffer, at: number): number {
  const first = bytes[from]! | 32;
  const isTrue =
    first === 116 || first === 121 || bytes[from] === 49 || (first === 111 && (bytes[from + 1]! | 32) === 110);
  const start = writeInt32(block, at, 1);
  block[start] = isTrue ? 1 : 0;
  return start + 1;
}

/** Of two, four or more digits that are there. */
function numberAt(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let index = at; index < at + digits; index++) value = value * 10 + bytes[index]! - ZERO;
  return value;
}

/** Days from 2000-01-01, where PostgreSQL's calendar begins, to `YYYY-MM-DD`; years begin in March here, so that the leap day is their last. */
function dayAt(bytes: Buffer, at: number): number {
  const month = numberAt(bytes, at + 5, 2);
  const year = numberAt(bytes, at, 4) - (month <= 2 ? 1 : 0);
  const monthFromMarch = (month + 9) % 12;
  const leapDays = Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400);
  return 365 * year + leapDays + Math.floor((153 * monthFromMarch + 2) / 5) + numberAt(bytes, at + 8, 2) - DAYS_TO_2000;
}

/** From 0000-03-01 to 2000-01-01, and one as days count from 1. */
const DAYS_TO_2000 = 730_426;

function isWord(bytes: Buffer, from: number): boolean {
  return bytes[from]! > 57 || bytes[from] === MINUS;
}

function writeDate(bytes: Buffer, from: number, _to: number, block: Buffer, at: number): number {
  const start = writeInt32(block, at, 4);
  if (isWord(bytes, from)) return writeInt32(block, start, bytes[from] === MINUS ? -(2 ** 31) : 2 ** 31 - 1);
  return writeInt32(block, start, dayAt(bytes, from));
}

/** Microseconds since midnight of `HH:MM`, `HH:MM:SS` or with decimals behind it. */
function microsOfDay(bytes: Buffer, from: number, to: number): number {
  const minutes = 60 * numberAt(bytes, from, 2) + numberAt(bytes, from + 3, 2);
  if (to - from < 8) return 6e7 * minutes;
  const decimals = Math.min(Math.max(to - from - 9, 0), 6);
  const seconds = numberAt(bytes, from + 6, 2);
  return 6e7 * minutes + 1e6 * seconds + numberAt(bytes, from + 9, decimals) * POWERS[6 - decimals]!;
}

const COLON = 58;
const MICROS_OF_DAY = 86_400_000_000;
/** Days whose microseconds a double holds exactly. */
const EXACT_DAYS = 100_000;

/** A day, its time unless it is midnight, and the zone that a timestamptz has. */
function writeTimestamp(bytes: Buffer, from: number, to: number, block: Buffer, at: number): number {
  if (isWord(bytes, from)) {
    const infinity = bytes[from] === MINUS ? -(2n ** 63n) : 2n ** 63n - 1n;
    return block.writeBigInt64BE(infinity, writeInt32(block, at, 8));
  }
  const day = dayAt(bytes, from);
  let micros = 0;
  if (to - from > 10) {
    let clock = from + 11;
    while (clock < to && (bytes[clock] === COLON || bytes[clock] === POINT || isDigit(bytes[clock]!))) clock++;
    micros = microsOfDay(bytes, from + 11, clock) - 6e7 * zoneMinutes(bytes, clock, to);
  }
  if (day > -EXACT_DAYS && day < EXACT_DAYS) return writeInt64(block, at, day * MICROS_OF_DAY + micros);
  return block.writeBigInt64BE(BigInt(day) * BigInt(MICROS_OF_DAY) + BigInt(micros), writeInt32(block, at, 8));
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9;
}

/** Minutes east of UTC: nothing, `Z`, `UTC`, `+HH`, `+HHMM` or `+HH:MM`, perhaps behind a blank. */
function zoneMinutes(bytes: Buffer, from: number, to: number): number {
  const sign = bytes[from] === SPACE ? from + 1 : from;
  if (sign >= to || (bytes[sign] !== PLUS && bytes[sign] !== MINUS)) return 0;
  const minutes = to - sign > 3 ? numberAt(bytes, to - 2, 2) : 0;
  const east = 60 * numberAt(bytes, sign + 1, 2) + minutes;
  return bytes[sign] === MINUS ? -east : east;
}

/** Pairs of hexadecimal digits; hyphens and blanks are passed over. */
function writeHex(bytes: Buffer, from: number, to: number, block: Buffer, at: number): number {
  let place = at + 4;
  for (let index = from; index < to; index++) {
    if (bytes[index] === MINUS || bytes[index] === SPACE) continue;
    block[place++] = (hexValue(bytes[index]!) << 4) | hexValue(bytes[++index]!);
  }
  writeInt32(block, at, place - at - 4);
  return place;
}

function hexValue(byte: number): number {
  return byte <= 57 ? byte - ZERO : (byte | 32) - 87;
}
