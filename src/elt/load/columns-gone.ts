import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import type { Publication } from './claim-publication.js';
import type { LedgerLine } from './ledger.js';
import { readColumns } from './read-columns.js';

/**
 * Columns that the load before still had, of a source that says its columns itself: in rows that are added or merged nobody would see that
 * they come no more. Told once, as the load after it has nothing to compare with.
 */
export async function columnsGone(
  session: Session,
  { env, project, resource: id }: Publication,
  resource: ResourceConfig,
  lines: readonly LedgerLine[],
): Promise<string[]> {
  if (resource.type !== 'postgres') return [];
  const known = new Set(lines.flatMap((line) => [...readColumns(line, resource).keys()]));
  if (known.size === 0) return [];
  const [before] = await session.query<Pick<LedgerLine, 'reader'>>(
    `SELECT reader FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status IN ('published', 'replaced') AND load_id < ALL($4::bigint[])
       AND jsonb_array_length(reader->'columns') > 0
     ORDER BY load_id DESC LIMIT 1`,
    [env, project, id, lines.map(({ loadId }) => loadId)],
  );
  return [...readColumns(before ?? { reader: null }, resource).keys()].filter((name) => !known.has(name));
}
