import { digitsEnd } from './digits.js';

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const OPEN_ARRAY = 91;

/** Closing marks of what is open, innermost last; one for all calls, as each is over before the next. */
let open = new Uint8Array(256);

/**
 * Whether the bytes `from` up to `to` (UTF-8) are one JSON text as RFC 8259 has it. Makes no objects, so that it costs a
 * tenth of `JSON.parse`, and knows no limit of depth.
 */
export function isJson(bytes: Buffer, from: number, to: number): boolean {
  let depth = 0;
  let at = blanksEnd(bytes, from, to);
  for (;;) {
    // At the beginning of a value.
    const first = at < to ? bytes[at]! : -1;
    if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
      const close = first + 2;
      at = blanksEnd(bytes, at + 1, to);
      if (at < to && bytes[at] === close) at++;
      else {
        if (depth === open.length) open = twice(open);
        open[depth++] = close;
        if (close === CLOSE_OBJECT) at = keyEnd(bytes, at, to);
        if (at === -1) return false;
        continue;
      }
    } else {
      at = first === QUOTE ? stringEnd(bytes, at, to) : (wordEnd(bytes, at, to, first) ?? numberEnd(bytes, at, to));
      if (at === -1) return false;
    }
    // Behind a value.
    for (;;) {
      at = blanksEnd(bytes, at, to);
      if (depth === 0) return at === to;
      const next = at < to ? bytes[at]! : -1;
      if (next === open[depth - 1]) {
        depth--;
        at++;
        continue;
      }
      if (next !== COMMA) return false;
      at = blanksEnd(bytes, at + 1, to);
      if (open[depth - 1] === CLOSE_OBJECT) at = keyEnd(bytes, at, to);
      if (at === -1) return false;
      break;
    }
  }
}

function twice(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const more = new Uint8Array(2 * bytes.length);
  more.set(bytes);
  return more;
}

function blanksEnd(bytes: Buffer, at: number, to: number): number {
  while (at < to && (bytes[at] === 32 || bytes[at] === 10 || bytes[at] === 13 || bytes[at] === 9)) at++;
  return at;
}

/** Behind a key and its colon, at the value; −1 when there is none. */
function keyEnd(bytes: Buffer, at: number, to: number): number {
  if (bytes[at] !== QUOTE) return -1;
  const end = stringEnd(bytes, at, to);
  if (end === -1) return -1;
  const colon = blanksEnd(bytes, end, to);
  return colon < to && bytes[colon] === COLON ? blanksEnd(bytes, colon + 1, to) : -1;
}

/** Which byte may follow a backslash. */
const ESCAPED = new Uint8Array(256);
for (const byte of Buffer.from('"\\/bfnrtu')) ESCAPED[byte] = 1;

function stringEnd(bytes: Buffer, at: number, to: number): number {
  for (let index = at + 1; index < to; index++) {
    const byte = bytes[index]!;
    if (byte === QUOTE) return index + 1;
    if (byte < 32) return -1;
    if (byte !== BACKSLASH) continue;
    index++;
    if (index >= to || ESCAPED[bytes[index]!] === 0) return -1;
    if (bytes[index] !== 117) continue;
    for (let digit = 1; digit <= 4; digit++) if (index + digit >= to || !isHex(bytes[index + digit]!)) return -1;
    index += 4;
  }
  return -1;
}

function isHex(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 70) || (byte >= 97 && byte <= 102);
}

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/** Undefined when the value cannot be a word by its first byte. */
function wordEnd(bytes: Buffer, at: number, to: number, first: number): number | undefined {
  switch (first) {
    case 116:
      return endOf(TRUE, bytes, at, to);
    case 102:
      return endOf(FALSE, bytes, at, to);
    case 110:
      return endOf(NULL, bytes, at, to);
    default:
      return undefined;
  }
}

function endOf(word: Buffer, bytes: Buffer, at: number, to: number): number {
  if (at + word.length > to) return -1;
  for (let index = 1; index < word.length; index++) if (bytes[at + index] !== word[index]) return -1;
  return at + word.length;
}

function numberEnd(bytes: Buffer, at: number, to: number): number {
  let index = bytes[at] === 45 ? at + 1 : at;
  const whole = index;
  index = digitsEnd(bytes, index, to);
  if (index === whole || (bytes[whole] === 48 && index > whole + 1)) return -1;
  if (index < to && bytes[index] === 46) {
    const fraction = index + 1;
    index = digitsEnd(bytes, fraction, to);
    if (index === fraction) return -1;
  }
  if (index < to && (bytes[index]! | 32) === 101) {
    let exponent = index + 1;
    if (exponent < to && (bytes[exponent] === 43 || bytes[exponent] === 45)) exponent++;
    index = digitsEnd(bytes, exponent, to);
    if (index === exponent) return -1;
  }
  return index;
}
