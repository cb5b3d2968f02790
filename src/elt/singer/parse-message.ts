import { jsonElements, jsonMembers, text, type JsonMember } from '../read/ndjson-line.js';

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
  | { readonly type: 'BATCH'; readonly stream: string };

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
    case 'RECORD': {
      const version = members.get('version');
      return {
        type,
        stream: stringOf(members, 'stream', type),
        record: sourceOf(members, 'record', type, '{', 'an object'),
        ...(version !== undefined && version.kind !== 'null' && { version: versionOf(version, type) }),
      };
    }
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
      return { type, stream: stringOf(members, 'stream', type) };
    default:
      throw new SyntaxError(`"type" is ${JSON.stringify(type)}, expected SCHEMA, RECORD, STATE or ACTIVATE_VERSION`);
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
  if (member === undefined || member.kind === 'null') return [];
  if (member.source.startsWith('[')) {
    const elements = jsonElements(member.source);
    if (elements.every((element) => element.startsWith('"'))) return elements.map(text);
  }
  throw new SyntaxError('SCHEMA with a wrong "key_properties", expected a list of texts');
}

function versionOf(member: JsonMember | undefined, what: string): string {
  if (member === undefined || !/^-?\d{1,18}$/.test(member.source))
    throw new SyntaxError(
      `${what} ${member === undefined ? 'without' : 'with a wrong'} "version", expected a whole number`,
    );
  return member.source;
}
