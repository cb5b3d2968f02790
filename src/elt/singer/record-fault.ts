import type { JsonMember } from '../read/ndjson-line.js';
import type { PropertyKind, StreamSchema } from './schema-columns.js';

/** Why a record is not one of its stream: the column, its value and the reason; undefined when it is. */
export interface RecordFault {
  readonly column: string | null;
  readonly value: string | null;
  readonly reason: string;
}

/**
 * Compares the kinds of a record's values with its schema, and looks for the members it must have. NULL is allowed everywhere but in
 * keys; ranges, patterns and enumerations are not looked at.
 */
export function recordFault(
  members: readonly JsonMember[],
  schema: StreamSchema,
  keyProperties: readonly string[],
): RecordFault | undefined {
  const values = new Map(members.map((member) => [member.key, member]));
  for (const key of keyProperties)
    if (!values.has(key)) return { column: key, value: null, reason: 'the key property is missing' };
  for (const name of schema.required)
    if (!values.has(name)) return { column: name, value: null, reason: 'the schema requires the property' };
  for (const { name, kinds } of schema.properties) {
    const member = values.get(name);
    if (member === undefined || kinds === undefined || member.kind === 'null') continue;
    const found = kindOf(member);
    if (!kinds.some((kind) => kind === found || (kind === 'number' && found === 'integer')))
      return {
        column: name,
        value: member.source,
        reason: `expected ${kinds.join(' or ')} by the schema, got ${found}`,
      };
  }
  return undefined;
}

/** 1.0 is an integer, as JSON Schema has it. */
function kindOf({ kind, source }: JsonMember): PropertyKind {
  switch (kind) {
    case 'nested':
      return source.startsWith('[') ? 'array' : 'object';
    case 'number':
      return /^-?\d+(\.0+)?$/.test(source) ? 'integer' : 'number';
    default:
      return kind as 'string' | 'boolean';
  }
}
