import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { LedgerLine } from './ledger.js';
import type { StageName } from './stage-table.js';

/**
 * Files of one interval are one set of rows, in which a primary key occurs once, though each file was read by itself. Call it when their
 * rows are in the table. Throws `ELT_KEY_REPEATED` (terminal); the transaction is then to be rolled back.
 */
export async function refuseRepeatedKey(
  session: Session,
  { resource, target, lines }: { readonly resource: ResourceConfig; readonly target: StageName; readonly lines: readonly LedgerLine[] }, // prettier-ignore
): Promise<void> {
  const { primaryKey, interval, write, type } = resource;
  const isOneSet = type === 'files' && interval !== undefined && write === 'append';
  if (!isOneSet || primaryKey.length === 0 || lines.length < 2) return;
  const key = primaryKey.map((column) => `t.${identifier(column)}`);
  const [repeated] = await session.query<{ key: string; places: string[] }>(
    `SELECT jsonb_build_array(${key.join(', ')})::text AS key,
       (array_agg(l.path || ' row ' || t._row_number ORDER BY array_position($1::bigint[], t._load_id)))[1:3] AS places
     FROM ${qualified(target.schema, target.name)} AS t JOIN plumbline.loads AS l ON l.load_id = t._load_id
     WHERE t._load_id = ANY($1::bigint[]) GROUP BY ${key.join(', ')} HAVING count(*) > 1 LIMIT 1`,
    [lines.map(({ loadId }) => loadId)],
  );
  if (repeated === undefined) return;
  throw new TerminalError(
    'ELT_KEY_REPEATED',
    `Publishing ${resource.id} failed: the primary key ${primaryKey.join(', ')} = ${repeated.key.slice(1, -1)} is in ${repeated.places.join(' and ')}, files of one interval; expected it once.`,
    {
      at: resource.at,
      details: { key: repeated.key, places: repeated.places },
      next: 'Correct the files, or set `write: merge`, by which the row of the later file stays, or take `primary_key` out. The table is untouched.',
    },
  );
}
