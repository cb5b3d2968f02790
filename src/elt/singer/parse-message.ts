import { jsonElements, jsonMembers, text, type JsonMember } from '../read/ndjson-line.js';

/** How the records of a batch file are written: a line of JSON each, packed or not, or as the rows of a Parquet file. */
export type BatchEncoding = 'jsonl' | 'jsonl.gz' | 'parquet';

/** A line that a Singer tap writes. JSON that is passed on or loaded stays as it is written, so that numbers keep every digit. */
export type SingerMessage =
  | {
      readonly type: 'SCHEMA';
      readonly stream: string;
      /** Of one record, as JSON. */
      readonly schema: string;
      readonly keyProperties: readonly string[];
    }
  | {
      readonly type: 'RECORD';
      readonly stream: string;
      /** The members of the record as JSON. */
      readonly record: string;
      /** Which version of the table it belongs to, of taps that tell. */
      readonly version?: string;
    }
  | {
      readonly type: 'STATE';
      /** JSON. */
      readonly value: string;
    }
  | { readonly type: 'ACTIVATE_VERSION'; readonly stream: string; readonly version: string }
  | {
      readonly type: 'BATCH';
      readonly stream: string;
      readonly encoding: BatchEncoding;
      /** Files of records. */
      readonly manifest: readonly string[];
      readonly version?: string;
    };

/**
 * Reads one line. Keys that the specification does not know are passed over. Throws SyntaxError with what was expected, for whoever
 * knows the line's number.
 */
export function parseMessage(line: string): SingerMessage {
  const members = new Map(jsonMembers(line).map((member) => [member.key, member]));
  const type = stringOf(members, 'type', 'a message');
  switch (type) {
    case 'SCHEMA':
      return {
        type,
        stream: stringOf(members, 'stream', type),
        schema: sourceOf(members, 'schema', type, '{', 'an object'),
        keyProperties: keysOf(members.get('key_properties')),
      };
    case 'RECORD':
      return {
        type,
        stream: stringOf(members, 'stream', type),
        record: sourceOf(members, 'record', type, '{', 'an object'),
        ...optionalVersion(members, type),
      };
    case 'STATE': {
      const value = members.get('value');
      if (value === undefined) throw new SyntaxError('STATE without "value"');
      return { type, value: value.source };
    }
    case 'ACTIVATE_VERSION':
      return {
        type,
        stream: stringOf(members, 'stream', type),
        version: versionOf(members.get('version'), type),
      };
    case 'BATCH':
      return {
        type,
        stream: stringOf(members, 'stream', type),
        encoding: encodingOf(sourceOf(members, 'encoding', type, '{', 'an object')),
        manifest: textsOf(members.get('manifest'), type, 'manifest'),
        ...optionalVersion(members, type),
      };
    default:
      throw new SyntaxError(
        `"type" is ${JSON.stringify(type)}, expected SCHEMA, RECORD, STATE, ACTIVATE_VERSION or BATCH`,
      );
  }
}

function stringOf(members: ReadonlyMap<string, JsonMember>, key: string, what: string): string {
  const member = members.get(key);
  if (member?.kind !== 'string')
    throw new SyntaxError(
      `${what} ${member === undefined ? 'without' : 'with a wrong'} ${JSON.stringify(key)}, expected a text`,
    );
  return text(member.source);
}

function sourceOf(
  members: ReadonlyMap<string, JsonMember>,
  key: string,
  what: string,
  first: string,
  expected: string,
): string {
  const member = members.get(key);
  if (member === undefined || !member.source.startsWith(first))
    throw new SyntaxError(
      `${what} ${member === undefined ? 'without' : 'with a wrong'} ${JSON.stringify(key)}, expected ${expected}`,
    );
  return member.source;
}

/** Absent and null are none, as the taps' own libraries have it. */
function keysOf(member: JsonMember | undefined): string[] {
  return member === undefined || member.kind === 'null' ? [] : textsOf(member, 'SCHEMA', 'key_properties');
}

function textsOf(member: JsonMember | undefined, what: string, key: string): string[] {
  if (member?.source.startsWith('[') === true) {
    const elements = jsonElements(member.source);
    if (elements.every((element) => element.startsWith('"'))) return elements.map(text);
  }
  throw new SyntaxError(
    `${what} ${member === undefined ? 'without' : 'with a wrong'} ${JSON.stringify(key)}, expected a list of texts`,
  );
}

/** Those of the taps' own libraries. How a Parquet file is packed stands in the file. */
function encodingOf(encoding: string): BatchEncoding {
  const { format, compression } = JSON.parse(encoding) as Readonly<Record<string, unknown>>;
  const known = compression ?? 'none';
  if (format === 'parquet') return 'parquet';
  if (format === 'jsonl' && (known === 'gzip' || known === 'none')) return known === 'gzip' ? 'jsonl.gz' : 'jsonl';
  throw new SyntaxError(
    `BATCH with "encoding" ${encoding}, expected the format jsonl, packed with gzip or not, or parquet`,
  );
}

function optionalVersion(members: ReadonlyMap<string, JsonMember>, what: string): { readonly version?: string } {
  const version = members.get('version');
  return version === undefined || version.kind === 'null' ? {} : { version: versionOf(version, what) };
}

function versionOf(member: JsonMember | undefined, what: string): string {
  if (member === undefined || !/^-?\d{1,18}$/.test(member.source))
    throw new SyntaxError(
      `${what} ${member === undefined ? 'without' : 'with a wrong'} "version", expected a whole number`,
    );
  return member.source;
}
