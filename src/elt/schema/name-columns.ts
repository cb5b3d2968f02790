import { createHash } from 'node:crypto';
import { TerminalError } from '../../errors.js';
import { metadataColumns, validityColumns } from './column.js';

const MAX_BYTES = 63; // NAMEDATALEN - 1
const MAX_COLUMNS = 1_600 - metadataColumns.length - validityColumns.length;
const TAKEN = new Set<string>([
  ...metadataColumns,
  ...validityColumns,
  'tableoid',
  'xmin',
  'cmin',
  'xmax',
  'cmax',
  'ctid',
]);

export interface NamedColumns {
  /** One for each header, in its order; unique, 1 to 63 bytes of UTF-8. */
  readonly names: readonly string[];
  /** What was renamed and why, one sentence each. */
  readonly notices: readonly string[];
}

/**
 * Column names for a file's header. Names stay as they are, apart from outer blanks, when PostgreSQL can hold them. An empty one becomes
 * `column_<position>`, one over 63 bytes is cut and ends in 8 hex digits of its SHA-256, one that PostgreSQL or the
 * loader keeps for itself gets a `_` behind. Throws `ELT_COLUMN_DUPLICATE` and `ELT_COLUMN_LIMIT`; a retry does not help.
 */
export function nameColumns(headers: readonly string[], file: string): NamedColumns {
  assertColumns(headers.length, file);
  const notices: string[] = [];
  const seen = new Map<string, number>();
  const names = headers.map((header, index) => {
    const name = columnName(header, index);
    const trimmed = header.trim();
    if (name !== trimmed) notices.push(notice(trimmed, name, index));
    const before = seen.get(name);
    if (before !== undefined)
      throw new TerminalError(
        'ELT_COLUMN_DUPLICATE',
        `Loading ${file} failed: columns ${before + 1} and ${index + 1} are both named ${JSON.stringify(name)}; expected different names.`,
        {
          at: { file, line: 1 },
          details: { column: name },
          next: 'Rename one of them in the file, or name the columns of a CSV file in its place: `csv: { header: [a, b], skip_lines: 1 }`.',
        },
      );
    seen.set(name, index);
    return name;
  });
  return { names, notices };
}

/** Throws `ELT_COLUMN_LIMIT` when a table cannot hold so many columns of a file; a retry does not help. */
export function assertColumns(columns: number, file: string): void {
  if (columns <= MAX_COLUMNS) return;
  throw new TerminalError(
    'ELT_COLUMN_LIMIT',
    `Loading ${file} failed: it has ${columns} columns or more, a PostgreSQL table holds at most ${MAX_COLUMNS} and ${metadataColumns.length + validityColumns.length} of its own.`,
    { at: { file, line: 1 }, next: 'Split the file, or keep rare fields in one jsonb column.' },
  );
}

function columnName(header: string, index: number): string {
  const name = header.trim();
  return name === '' ? `column_${index + 1}` : nameOfColumn(name);
}

/** What the column is called of a header that has a name. */
export function nameOfColumn(header: string): string {
  const name = header.trim();
  if (TAKEN.has(name)) return `${name}_`;
  if (Buffer.byteLength(name) <= MAX_BYTES) return name;
  const suffix = `_${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
  let kept = '';
  for (const character of name) {
    if (Buffer.byteLength(kept + character) > MAX_BYTES - suffix.length) break;
    kept += character;
  }
  return kept + suffix;
}

function notice(header: string, name: string, index: number): string {
  if (header === '') return `Column ${index + 1} has no name; it is loaded as ${JSON.stringify(name)}.`;
  if (TAKEN.has(header))
    return `Column ${JSON.stringify(header)} is a reserved name; it is loaded as ${JSON.stringify(name)}.`;
  return `Column ${JSON.stringify(header)} is longer than the 63 bytes of a PostgreSQL name; it is loaded as ${JSON.stringify(name)}.`;
}
