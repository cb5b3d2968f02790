const QUOTE = 34;
const BACKSLASH = 92;
const OBJECT = 123;
const ARRAY = 91;
const COMMA = 44;
const COLON = 58;
/** From `{` to `}`, and from `[` to `]`. */
const TO_CLOSE = 2;

/** Numbers a member: where its key begins and ends, and where its value does; quotation marks belong to both. */
export const PLACES = 4;

/** What `scanObject` has found of an object. Used again for the next one. */
export class ObjectPlaces {
  /** Members, repeated keys among them. */
  count = 0;
  /** `PLACES` numbers a member, in the order of the members. */
  at = new Int32Array(64 * PLACES);
  /** Line ends between its tokens, and the index of the last one. */
  lines = 0;
  lastLine = -1;
  isAscii = true;
  /** An escape stands for NUL or for half a surrogate pair. */
  hasUnstorable = false;

  /** @param mostLevels of containers in it, and `mostDigits` of a number: more is not taken */
  constructor(
    public mostLevels = Infinity,
    readonly mostDigits = Infinity,
  ) {}
}

/**
 * Finds the members of the object that begins at `start`, as RFC 8259 has it but for its UTF-8. Gives the index behind it; -1 where `bytes` end before it
 * does, where it is no such object, or where it is beyond a limit of `found`, whose fields are of no use then. O(bytes) time.
 */
export function scanObject(bytes: Buffer, start: number, found: ObjectPlaces): number {
  found.count = 0;
  found.lines = 0;
  found.isAscii = true;
  found.hasUnstorable = false;
  if (bytes[start] !== OBJECT) return -1;
  let index = behindBlanks(bytes, start + 1, found);
  if (bytes[index] === OBJECT + TO_CLOSE) return index + 1;
  for (;;) {
    if (bytes[index] !== QUOTE) return -1;
    const keyStart = index;
    const keyEnd = stringEnd(bytes, keyStart + 1, found);
    const valueStart = behindColon(bytes, keyEnd, found);
    if (valueStart === -1) return -1;
    const valueEnd = endOfValue(bytes, valueStart, found);
    if (valueEnd === -1) return -1;
    add(found, keyStart, keyEnd, valueStart, valueEnd);
    index = behindBlanks(bytes, valueEnd, found);
    if (bytes[index] === OBJECT + TO_CLOSE) return index + 1;
    if (bytes[index] !== COMMA) return -1;
    index = behindBlanks(bytes, index + 1, found);
  }
}

function add(found: ObjectPlaces, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
  const place = PLACES * found.count++;
  if (place === found.at.length) {
    const more = new Int32Array(2 * place);
    more.set(found.at);
    found.at = more;
  }
  const { at } = found;
  at[place] = keyStart;
  at[place + 1] = keyEnd;
  at[place + 2] = valueStart;
  at[place + 3] = valueEnd;
}

function behindBlanks(bytes: Buffer, from: number, found: ObjectPlaces): number {
  for (let index = from; ; index++) {
    switch (bytes[index]) {
      case 0x20:
      case 0x09:
      case 0x0d:
        break;
      case 0x0a:
        found.lines++;
        found.lastLine = index;
        break;
      default:
        return index;
    }
  }
}

/** Where the value begins whose key ends at `keyEnd`; -1 where there is none. */
function behindColon(bytes: Buffer, keyEnd: number, found: ObjectPlaces): number {
  if (keyEnd === -1) return -1;
  const colon = behindBlanks(bytes, keyEnd, found);
  return bytes[colon] === COLON ? behindBlanks(bytes, colon + 1, found) : -1;
}

function endOfValue(bytes: Buffer, start: number, found: ObjectPlaces): number {
  switch (bytes[start]) {
    case QUOTE:
      return stringEnd(bytes, start + 1, found);
    case OBJECT:
    case ARRAY:
      return containerEnd(bytes, start, found);
    case 0x74:
      return wordEnd(bytes, start, TRUE);
    case 0x66:
      return wordEnd(bytes, start, FALSE);
    case 0x6e:
      return wordEnd(bytes, start, NULL);
    default:
      return numberEnd(bytes, start, found.mostDigits);
  }
}

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

function wordEnd(bytes: Buffer, start: number, word: Buffer): number {
  for (let index = 1; index < word.length; index++) if (bytes[start + index] !== word[index]) return -1;
  return start + word.length;
}

/** The opening byte of each container that is open, the innermost last. */
let opened = new Uint8Array(1_024);

function containerEnd(bytes: Buffer, start: number, found: ObjectPlaces): number {
  let depth = 0;
  let index = start;
  for (;;) {
    const byte = bytes[index]!;
    let isOpen = byte === OBJECT || byte === ARRAY;
    if (isOpen) {
      if (depth === found.mostLevels) return -1;
      if (depth === opened.length) {
        const more = new Uint8Array(2 * depth);
        more.set(opened);
        opened = more;
      }
      opened[depth++] = byte;
      index = behindBlanks(bytes, index + 1, found);
      isOpen = bytes[index] !== byte + TO_CLOSE;
    } else {
      index = endOfValue(bytes, index, found);
      if (index === -1) return -1;
      index = behindBlanks(bytes, index, found);
    }
    if (!isOpen) {
      while (bytes[index] === opened[depth - 1]! + TO_CLOSE) {
        index++;
        if (--depth === 0) return index;
        index = behindBlanks(bytes, index, found);
      }
      if (bytes[index] !== COMMA) return -1;
      index = behindBlanks(bytes, index + 1, found);
    }
    if (opened[depth - 1] === OBJECT) {
      if (bytes[index] !== QUOTE) return -1;
      index = behindColon(bytes, stringEnd(bytes, index + 1, found), found);
      if (index === -1) return -1;
    }
  }
}

/** @param from behind the opening mark. @returns the index behind the closing one */
function stringEnd(bytes: Buffer, from: number, found: ObjectPlaces): number {
  const { length } = bytes;
  let seen = 0;
  for (let index = from; index < length; index++) {
    const byte = bytes[index]!;
    if (byte === QUOTE) {
      if (seen > 0x7f) found.isAscii = false;
      return index + 1;
    }
    if (byte === BACKSLASH) {
      index = escapeEnd(bytes, index + 1, found);
      if (index === -1) return -1;
    } else if (byte < 0x20) return -1;
    seen |= byte;
  }
  return -1;
}

/** @param at behind the backslash. @returns the index of the last byte that belongs to it */
function escapeEnd(bytes: Buffer, at: number, found: ObjectPlaces): number {
  switch (bytes[at]) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at;
    case 0x75: // u
      break;
    default:
      return -1;
  }
  const unit = hexOf(bytes, at + 1);
  if (unit === -1) return -1;
  const isHigh = unit >= 0xd800 && unit < 0xdc00;
  if (isHigh && bytes[at + 5] === BACKSLASH && bytes[at + 6] === 0x75) {
    const next = hexOf(bytes, at + 7);
    if (next >= 0xdc00 && next < 0xe000) return at + 10;
  }
  if (unit === 0 || (unit >= 0xd800 && unit < 0xe000)) found.hasUnstorable = true;
  return at + 4;
}

/** The number that four hexadecimal digits stand for; -1 where there are none. */
function hexOf(bytes: Buffer, from: number): number {
  let value = 0;
  for (let index = from; index < from + 4; index++) {
    const byte = bytes[index]!;
    if (byte >= 0x30 && byte <= 0x39) value = 16 * value + byte - 0x30;
    else if ((byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)) value = 16 * value + (byte & 7) + 9;
    else return -1;
  }
  return value;
}

function numberEnd(bytes: Buffer, start: number, mostDigits: number): number {
  let index = bytes[start] === 0x2d ? start + 1 : start;
  if (bytes[index] === 0x30) index++;
  else if ((index = digitsEnd(bytes, index)) === -1) return -1;
  if (bytes[index] === 0x2e && (index = digitsEnd(bytes, index + 1)) === -1) return -1;
  if (bytes[index] === 0x65 || bytes[index] === 0x45) {
    index++;
    if (bytes[index] === 0x2b || bytes[index] === 0x2d) index++;
    if ((index = digitsEnd(bytes, index)) === -1) return -1;
  }
  return index - start > mostDigits ? -1 : index;
}

/** Behind one digit or more; -1 where there is none. */
function digitsEnd(bytes: Buffer, from: number): number {
  let index = from;
  while (bytes[index]! >= 0x30 && bytes[index]! <= 0x39) index++;
  return index === from ? -1 : index;
}
