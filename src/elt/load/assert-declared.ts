import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import { isByInterval } from '../../model/is-by-interval.js';
import type { ResourceConfig, Schemas } from '../../model/project.js';
import { mayLackDeclared } from '../read/may-lack-declared.js';
import { tableColumns } from '../schema/table-columns.js';
import type { LedgerLine } from './ledger.js';

/**
 * Of several files one may lack a column that plumbline.yaml gives a type; one that none of them has, nor the table that
 * they are added to, is misspelt, unless files of another interval may have it. Throws `ELT_COLUMN_UNKNOWN` (terminal).
 */
export async function assertDeclared(
  session: Session,
  { resource, schemas }: { readonly resource: ResourceConfig; readonly schemas: Schemas },
  lines: readonly LedgerLine[],
): Promise<void> {
  const declared = Object.keys(resource.columns);
  if (declared.length === 0 || !mayLackDeclared(resource) || isByInterval(resource)) return;
  const known = new Set(lines.flatMap(({ reader }) => reader?.columns.map(({ name }) => name) ?? []));
  // Files without rows say nothing of columns.
  if (known.size === 0 || declared.every((name) => known.has(name))) return;
  const there = resource.write === 'replace' ? undefined : await tableColumns(session, schemas.raw, resource.table);
  const unknown = declared.find((name) => !known.has(name) && there?.has(name) !== true);
  if (unknown === undefined) return;
  throw new TerminalError(
    'ELT_COLUMN_UNKNOWN',
    `Publishing ${resource.id} failed: plumbline.yaml gives column ${JSON.stringify(unknown)} a type, but none of its files has such a column; they have ${[...known].map((name) => JSON.stringify(name)).join(', ')}.`,
    { at: resource.at, details: { column: unknown }, next: 'Correct the name under `columns`. The table keeps its former rows.' }, // prettier-ignore
  );
}
