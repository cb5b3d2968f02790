import { literal } from '../../model/sql-identifier.js';
import { text, type JsonMember } from './ndjson-line.js';
import type { RowSource } from './row-source.js';

/** The same rows, each with more columns behind its own: what the inventory says of the object that they are from. */
export function addColumns(source: RowSource, members: readonly JsonMember[]): RowSource {
  if (members.length === 0) return source;
  const first = source.headers.length;
  const added = members.map((member, index) => `${valueOf(member)} AS c${first + index}`).join(', ');
  // What reads the file by itself reads its own columns only.
  const { convert: _convert, classify: _classify, ...rest } = source;
  return {
    ...rest,
    headers: [...source.headers, ...members.map(({ key }) => key)],
    relation: `(SELECT *, ${added} FROM ${source.relation})`,
    types: [...source.types, ...members.map(() => undefined)],
    allowed: [...source.allowed, ...members.map(() => undefined)],
  };
}

function valueOf({ kind, source }: JsonMember): string {
  if (kind === 'null') return 'NULL::VARCHAR';
  return `${literal(kind === 'string' ? text(source) : source)}::VARCHAR`;
}
