import { TerminalError } from '../../errors.js';
import { ObjectPlaces, scanObject } from './scan-object.js';

/** A value of a document that stands for a row. */
export interface JsonRecord {
  /** Of the record, or of more than it. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Of the file, where the value begins. */
  readonly line: number;
  /** Where its members are, where that is known. */
  readonly places?: ObjectPlaces;
}

export interface JsonDocumentOptions {
  /** What the user calls the file. */
  readonly file: string;
  /** Keys from the whole document to the records. */
  readonly path: readonly string[];
  /** Takes each record as it ends, in their order; what it gets is of use during the call only. */
  readonly onRecord: (record: JsonRecord) => void;
}

/** Takes a document in pieces. */
export interface JsonDocument {
  push(chunk: Buffer): void;
  /** Throws `ELT_JSON_SYNTAX` when the document is not complete, `ELT_JSON_RECORDS` when it has nothing at `path`. */
  end(): void;
}

/** Deeper data is a mistake or an attack; PostgreSQL itself gives up at some thousands. */
const MAX_DEPTH = 1_000;
const MAX_RECORD_BYTES = 64 << 20;
/** Nothing valid is as long but a number, which has no bound; 10,000 digits are more than any database holds. */
const MAX_DIGITS = 10_000;

interface Container {
  readonly isObject: boolean;
  /** How many keys of the path lead here; -1 when none of it does. */
  readonly matched: number;
  /** Its elements are records. */
  readonly isList: boolean;
  /** The key of the value that comes next, where it matters. */
  key?: string;
}

type Expecting = 'value' | 'value or ]' | 'key or }' | 'key' | ':' | ', or the end' | 'nothing more';
type Token = 'string' | 'number' | 'word';

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const WORDS = new Set(['true', 'false', 'null']);
const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Reads one JSON document of any size, as RFC 8259 has it, and gives the records at `path`: the elements of the array that is there, or the
 * object that is there. A record that lies in one piece is read at once, all else byte by byte, which also says what is wrong. O(bytes) time, O(longest record + depth) memory. What is read is valid JSON but for its UTF-8.
 * Throws `ELT_JSON_SYNTAX`, with line and column, for all else, for more than 1,000 levels and for a record over 64 MiB; a retry does not help.
 */
export function readJsonDocument({ file, path, onRecord }: JsonDocumentOptions): JsonDocument {
  const open: Container[] = [];
  const places = new ObjectPlaces(MAX_DEPTH, MAX_DIGITS);
  let expecting: Expecting = 'value';
  let token: Token | undefined;
  /** The bytes of a number, a word, or a key that may lead to the records. */
  let text = '';
  let isKeptKey = false;
  let isEscaped = false;
  let hexLeft = 0;
  let isKey = false;
  let line = 1;
  let column = 0;
  /** What is gathered of the record that is being read, and how deep it lies. */
  let record: { readonly depth: number; readonly line: number; readonly parts: Buffer[]; bytes: number } | undefined;
  let recordStart = 0;
  let lists = 0;
  let reached = 0;

  const fail = (what: string): never => {
    throw new TerminalError('ELT_JSON_SYNTAX', `Reading ${file} as JSON failed: ${what}.`, {
      at: { file, line, column: Math.max(column, 1) },
      next: 'Correct the file; for one object a line, set `format: ndjson`. The table keeps its former rows.',
    });
  };
  const top = (): Container | undefined => open[open.length - 1];

  /** A value begins: what leads to it, and whether it is a record. */
  const begin = (index: number, kind: 'object' | 'array' | 'scalar'): number => {
    const parent = top();
    if (record === undefined && parent?.isList === true) startRecord(index);
    let matched = -1;
    if (record === undefined) {
      if (parent === undefined) matched = 0;
      else if (parent.matched >= 0 && parent.isObject && parent.key === path[parent.matched]) matched = parent.matched + 1;
      reached = Math.max(reached, matched);
    }
    if (matched !== path.length) return matched;
    if (kind === 'scalar') throw noRecords(file, path, 'a plain value');
    if (++lists > 1) fail(`${shown(path)} stands there twice`);
    if (kind === 'object') startRecord(index);
    return matched;
  }; // prettier-ignore
  const startRecord = (index: number): void => {
    record = { depth: open.length, line, parts: [], bytes: 0 };
    recordStart = index;
  };
  /** A value has ended before `index`. */
  const finish = (chunk: Buffer, index: number): void => {
    expecting = open.length === 0 ? 'nothing more' : ', or the end';
    if (record?.depth !== open.length) return;
    const bytes = Buffer.concat([...record.parts, chunk.subarray(recordStart, index)]);
    onRecord({ bytes, start: 0, end: bytes.length, line: record.line });
    record = undefined;
  };
  const openContainer = (index: number, isObject: boolean): void => {
    const matched = begin(index, isObject ? 'object' : 'array');
    if (open.length === MAX_DEPTH) fail(`it is more than ${MAX_DEPTH} levels deep`);
    open.push({ isObject, matched: record === undefined ? matched : -1, isList: record === undefined && matched === path.length }); // prettier-ignore
    expecting = isObject ? 'key or }' : 'value or ]';
  };
  const closeContainer = (chunk: Buffer, index: number, isObject: boolean): void => {
    const allowed = expecting === ', or the end' || expecting === (isObject ? 'key or }' : 'value or ]');
    if (!allowed || top()?.isObject !== isObject) fail(`found ${isObject ? '}' : ']'}, expected ${expecting}`);
    open.pop();
    finish(chunk, index + 1);
  };
  const startString = (index: number): void => {
    isKey = expecting === 'key' || expecting === 'key or }';
    if (!isKey) {
      if (expecting !== 'value' && expecting !== 'value or ]') fail(`found a string, expected ${expecting}`);
      begin(index, 'scalar');
    }
    isKeptKey = isKey && record === undefined && (top()?.matched ?? -1) >= 0;
    token = 'string';
    text = '';
  };
  const endString = (chunk: Buffer, index: number): void => {
    token = undefined;
    if (!isKey) return finish(chunk, index + 1);
    // Latin-1 keeps the bytes one by one until the key is whole.
    if (isKeptKey) top()!.key = JSON.parse(`"${Buffer.from(text, 'latin1').toString()}"`) as string;
    expecting = ':';
  };
  const endWord = (chunk: Buffer, index: number): void => {
    const isRight = token === 'number' ? NUMBER.test(text) : WORDS.has(text);
    if (!isRight) fail(`${JSON.stringify(text.slice(0, 40))} is no JSON value`);
    token = undefined;
    finish(chunk, index);
  };

  /** Inside a string; gives the index behind what was taken. */
  const takeString = (chunk: Buffer, from: number): number => {
    let index = from;
    const refuse = (what: string): void => {
      column += index + 1 - from;
      fail(what);
    };
    for (; index < chunk.length; index++) {
      const byte = chunk[index]!;
      if (hexLeft > 0) {
        if (!isHex(byte)) refuse('\\u is not followed by four hexadecimal digits');
        hexLeft--;
      } else if (isEscaped) {
        isEscaped = false;
        if (byte === 117) hexLeft = 4;
        else if (!'"\\/bfnrt'.includes(String.fromCharCode(byte))) refuse('a backslash is followed by what it cannot escape');
      } else if (byte === BACKSLASH) isEscaped = true;
      else if (byte < 0x20) refuse('a string holds a control character');
      else if (byte === QUOTE) {
        if (isKeptKey) text += chunk.toString('latin1', from, index);
        column += index + 1 - from;
        endString(chunk, index);
        return index + 1;
      }
    }
    if (isKeptKey) text += chunk.toString('latin1', from, index);
    column += index - from;
    return index;
  }; // prettier-ignore

  const takeByte = (chunk: Buffer, index: number): void => {
    const byte = chunk[index]!;
    if (token !== undefined) {
      if (isWordByte(byte)) {
        if (text.length < MAX_DIGITS) text += String.fromCharCode(byte);
        else fail('a number has more than 10,000 characters');
        return;
      }
      column--;
      endWord(chunk, index);
      column++;
    }
    switch (byte) {
      case 0x20:
      case 0x09:
      case 0x0d:
        return;
      case 0x0a:
        line++;
        column = 0;
        return;
      case QUOTE:
        return startString(index);
      case 0x7b: // {
      case 0x5b: // [
        if (expecting !== 'value' && expecting !== 'value or ]')
          fail(`found ${String.fromCharCode(byte)}, expected ${expecting}`);
        return openContainer(index, byte === 0x7b);
      case 0x7d: // }
      case 0x5d: // ]
        return closeContainer(chunk, index, byte === 0x7d);
      case 0x3a: // :
        if (expecting !== ':') fail(`found :, expected ${expecting}`);
        expecting = 'value';
        return;
      case 0x2c: // ,
        if (expecting !== ', or the end') fail(`found a comma, expected ${expecting}`);
        expecting = top()!.isObject ? 'key' : 'value';
        return;
      default:
        if (!isWordByte(byte)) fail(`found ${describe(byte)}, expected ${expecting}`);
        if (expecting !== 'value' && expecting !== 'value or ]') fail(`found ${describe(byte)}, expected ${expecting}`);
        begin(index, 'scalar');
        token = byte === 0x2d || (byte >= 0x30 && byte <= 0x39) ? 'number' : 'word';
        text = String.fromCharCode(byte);
    }
  };

  /** A record of the list that lies in the chunk as a whole and is sound; gives the index behind it, else -1. */
  const takeRecord = (chunk: Buffer, index: number): number => {
    const list = top();
    if (chunk[index] !== 0x7b || record !== undefined || token !== undefined || list?.isList !== true || list.isObject) return -1;
    if (expecting !== 'value' && expecting !== 'value or ]') return -1;
    places.mostLevels = MAX_DEPTH - open.length - 1;
    const end = scanObject(chunk, index, places);
    if (end === -1) return -1;
    onRecord({ bytes: chunk, start: index, end, line, places });
    line += places.lines;
    column = places.lines === 0 ? column + end - index : end - 1 - places.lastLine;
    expecting = ', or the end';
    return end;
  }; // prettier-ignore

  return {
    push(chunk) {
      recordStart = 0;
      for (let index = 0; index < chunk.length;) {
        if (token === 'string') index = takeString(chunk, index);
        else {
          const end = takeRecord(chunk, index);
          if (end !== -1) {
            index = end;
            continue;
          }
          column++;
          takeByte(chunk, index++);
        }
      }
      if (record === undefined) return;
      const part = chunk.subarray(recordStart);
      record.parts.push(part);
      record.bytes += part.length;
      if (record.bytes > MAX_RECORD_BYTES)
        fail(`the value that begins on line ${record.line} is longer than 64 MiB; set \`records\` to where the list of rows is`);
    }, // prettier-ignore
    end() {
      if (token === 'string') fail('it ends inside a string');
      if (token !== undefined) {
        recordStart = 0;
        endWord(Buffer.alloc(0), 0);
      }
      if (expecting !== 'nothing more') fail(`it ends early, expected ${expecting}`);
      if (lists === 0) throw noRecords(file, path.slice(0, reached + 1), 'nothing');
    },
  };
}

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

/** What numbers and the words are made of, right or wrong: letters, digits, + - and the point. */
function isWordByte(byte: number): boolean {
  return isHex(byte) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x2b || byte === 0x2d || byte === 0x2e;
} // prettier-ignore

function describe(byte: number): string {
  return byte > 0x20 && byte < 0x7f
    ? JSON.stringify(String.fromCharCode(byte))
    : `byte ${byte.toString(16).padStart(2, '0')}`;
}

function shown(path: readonly string[]): string {
  return path.length === 0 ? 'the document' : path.join('.');
}

function noRecords(file: string, path: readonly string[], found: string): TerminalError {
  return new TerminalError(
    'ELT_JSON_RECORDS',
    `Reading ${file} failed: ${shown(path)} is ${found}; expected a list of objects, or an object.`,
    { at: { file }, next: 'Set `records` of the resource to where the list is, for example `records: data.items`.' },
  );
}
