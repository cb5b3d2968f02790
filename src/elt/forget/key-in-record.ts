import { jsonMembers, text } from '../read/ndjson-line.js';
import { nameColumns } from '../schema/name-columns.js';

/** The text of a column in one JSON object, whose members a load names; null when it has none. Throws SyntaxError for no object. */
export function keyInRecord(record: string, column: string, file: string): string | null {
  const members = jsonMembers(record);
  const names = nameColumns(
    members.map(({ key }) => key),
    file,
  ).names;
  const member = members[names.indexOf(column)];
  if (member === undefined || member.kind === 'null') return null;
  return member.kind === 'string' ? text(member.source) : member.source;
}

/** The object in a message of Singer; undefined in one that is about none. Throws SyntaxError. */
export function singerRecord(message: string): string | undefined {
  return jsonMembers(message).find(({ key }) => key === 'record')?.source;
}
