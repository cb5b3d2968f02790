import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { PARENT_LOAD, PARENT_ROW } from '../nested/child-columns.js';
import type { Publication } from './claim-publication.js';
import { otherSource } from './other-source.js';
import type { StageName } from './stage-table.js';

/**
 * Rows that are added to those of a source that had the table before, as one of another name, would mostly be there twice; with those of a
 * child table, whose name it was, they have nothing in common. Throws `ELT_TABLE_TAKEN` (terminal).
 *
 * @param there the table's columns
 */
export async function refuseOtherSource(
  session: Session,
  publication: Publication,
  { at, write }: Pick<ResourceConfig, 'at' | 'write'>,
  table: StageName,
  there: ReadonlyMap<string, ColumnType>,
): Promise<void> {
  const { resource } = publication;
  const isOfChild = publication.version === 0 && there.has(PARENT_LOAD) && there.has(PARENT_ROW);
  const other = write === 'append' ? await otherSource(session, publication, table) : undefined;
  if (other === undefined && !isOfChild) return;
  const name = `${table.schema}.${table.name}`;
  throw new TerminalError(
    'ELT_TABLE_TAKEN',
    `Publishing ${resource} failed: ${name} has the rows of ${other ?? 'a child table'}, and those of ${resource} would be added to them.`,
    {
      at,
      details: { table: name, ...(other !== undefined && { former: other }) },
      next:
        other === undefined
          ? `Drop the table ${name} and run again, or give the source another name. The table is untouched.`
          : `If the source only has another name now, call it ${other} again, or drop the table ${name} and run again; else give it another one. The table is untouched.`,
    },
  );
}
