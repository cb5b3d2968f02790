import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import type { Publication } from './claim-publication.js';
import type { StageName } from './stage-table.js';

/**
 * Rows that are added to those of a source that had the table before, as one of another name, would mostly be there twice. Throws
 * `ELT_TABLE_TAKEN` (terminal) when the resource has published nothing yet and another one has.
 */
export async function refuseOtherSource(
  session: Session,
  { env, project, resource, version }: Publication,
  { at }: Pick<ResourceConfig, 'at'>,
  { schema, name }: StageName,
): Promise<void> {
  if (version > 0) return;
  const [other] = await session.query<{ resource: string }>(
    `SELECT resource FROM plumbline.resource_versions WHERE env = $1 AND project = $2 AND resource <> $3
       AND table_schema = $4 AND table_name = $5 ORDER BY published_at DESC LIMIT 1`,
    [env, project, resource, schema, name],
  );
  if (other === undefined) return;
  throw new TerminalError(
    'ELT_TABLE_TAKEN',
    `Publishing ${resource} failed: ${schema}.${name} has the rows of ${other.resource}, and those of ${resource} would be added to them.`,
    {
      at,
      details: { table: `${schema}.${name}`, former: other.resource },
      next: `Drop the table ${schema}.${name} and run again, if the source only has another name now; else give it another one. The table is untouched.`,
    },
  );
}
