import type { Queryable } from '../../model/database.js';

/**
 * Rows that were taken out of the objects of loads when keys were forgotten, by object; those of a batch are those of all that it names.
 * Call it while the project is held: nobody forgets a key meanwhile.
 */
export async function countTakenOut(
  session: Queryable,
  { env, project }: { readonly env: string; readonly project: string },
  objects: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await session.query<{ sha256: string; rows: number }>(
    `SELECT object.sha256, sum(r.rows_taken_out)::float8 AS rows FROM (
       SELECT one, one FROM unnest($3::text[]) AS one
       UNION ALL SELECT list_sha256, sha256 FROM plumbline.batch_objects WHERE list_sha256 = ANY($3)) AS object (sha256, part)
     JOIN plumbline.redactions r ON (r.env, r.project, r.sha256) = ($1, $2, object.part)
     WHERE r.replacement IS NOT NULL GROUP BY object.sha256`,
    [env, project, objects],
    { isKept: true },
  );
  return new Map(rows.map((row) => [row.sha256, row.rows]));
}
