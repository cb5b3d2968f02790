import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import type { ResourceKey } from './claim-publication.js';

/** The column by whose time the rows of an interval are chosen, of a table that they are appended to; undefined where it only checks them. */
export function choosingColumn({ type, write, interval }: ResourceConfig): string | undefined {
  const isChosen = type === 'postgres' || interval?.outside === 'ignore';
  return write === 'append' && isChosen ? interval?.column : undefined;
}

/**
 * Rows that two columns have sorted into intervals are there twice, or not at all. Throws `ELT_INTERVAL_COLUMN_CHANGED` (terminal) when the
 * newest publication that says by which column went by another.
 *
 * @param replaced loads of this publication, and those that it takes the place of: where there are no others, the table is all of one column
 */
export async function refuseOtherColumn(
  session: Session,
  { env, project, resource }: ResourceKey,
  { at, table }: Pick<ResourceConfig, 'at' | 'table'>,
  column: string,
  replaced: readonly string[],
): Promise<void> {
  const [former] = await session.query<{ column: string }>(
    `SELECT interval_column AS "column" FROM plumbline.resource_versions
     WHERE env = $1 AND project = $2 AND resource = $3 AND interval_column IS NOT NULL
       AND EXISTS (SELECT FROM plumbline.loads WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' AND load_id <> ALL($4::bigint[]))
     ORDER BY version DESC LIMIT 1`,
    [env, project, resource, [...replaced]],
  );
  if (former === undefined || former.column === column) return;
  throw new TerminalError(
    'ELT_INTERVAL_COLUMN_CHANGED',
    `Publishing ${resource} failed: its rows were sorted into intervals by ${former.column}; expected it as \`interval_column\`, found ${column}.`,
    {
      at,
      details: { former: former.column, column },
      next: `Drop the table ${table} and load its intervals anew (\`plumbline backfill --from … --to … --force\`), or set \`interval_column: ${former.column}\`. The table is untouched.`,
    },
  );
}
