import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import type { ResourceKey } from './claim-publication.js';
import { otherSource } from './other-source.js';
import type { StageName } from './stage-table.js';

/**
 * Rows that are added to those of a source that had the table before, as one of another name, would mostly be there twice. Throws
 * `ELT_TABLE_TAKEN` (terminal).
 */
export async function refuseOtherSource(
  session: Session,
  { env, project, resource }: ResourceKey,
  { at }: Pick<ResourceConfig, 'at'>,
  table: StageName,
): Promise<void> {
  const other = await otherSource(session, { env, project, resource }, table);
  if (other === undefined) return;
  const name = `${table.schema}.${table.name}`;
  throw new TerminalError(
    'ELT_TABLE_TAKEN',
    `Publishing ${resource} failed: ${name} has the rows of ${other}, and those of ${resource} would be added to them.`,
    {
      at,
      details: { table: name, former: other },
      next: `Drop the table ${name} and run again, if the source only has another name now; else give it another one. The table is untouched.`,
    },
  );
}
