import { TerminalError } from '../../errors.js';
import type { Queryable } from '../../model/database.js';
import { didYouMean } from '../../model/nearest.js';
import type { ResourceConfig } from '../../model/project.js';

export interface FoundRelation {
  readonly id: string;
  /** `pg_class.relkind`: r table, p partitioned table, m materialized view, v view, f foreign table. */
  readonly kind: 'r' | 'p' | 'm' | 'v' | 'f';
}

/** The table or view that a resource names. Throws `ELT_PG_TABLE` and `ELT_PG_PERMISSION`; no retry helps. */
export async function findRelation(
  source: Queryable,
  { id, postgres, at }: ResourceConfig,
  database: string,
): Promise<FoundRelation> {
  const { schema } = postgres!;
  const table = postgres!.table!;
  const relations = await source.query<{ schema: string; name: string; id: string; kind: FoundRelation['kind']; isReadable: boolean }>(
    `SELECT n.nspname AS schema, c.relname AS name, c.oid::text AS id, c.relkind AS kind,
       has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT') AS "isReadable"
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND (n.nspname = $1 OR n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
     ORDER BY 1, 2`,
    [schema],
  ); // prettier-ignore
  const found = relations.find((one) => one.schema === schema && one.name === table);
  const name = `${schema}.${table}`;
  if (found === undefined) {
    const here = relations.filter((one) => one.schema === schema).map((one) => one.name);
    const elsewhere = relations.filter((one) => one.name === table).map((one) => one.schema);
    const known =
      elsewhere.length > 0
        ? `; schema ${elsewhere[0]} has one of that name.`
        : didYouMean(table, here) || (here.length === 0 ? `; that schema has no table.` : '.');
    throw new TerminalError('ELT_PG_TABLE', `Reading ${id} failed: ${database} has no table or view ${name}${known}`, {
      at,
      details: { schema, table, tables: here.slice(0, 50) },
      next: elsewhere.length > 0 ? `Set \`schema: ${elsewhere[0]}\`.` : 'Correct `table` or `schema`.',
    });
  }
  if (!found.isReadable)
    throw new TerminalError('ELT_PG_PERMISSION', `Reading ${id} failed: the role of ${database} may not read ${name}.`, {
      at,
      next: `Let the owner run: GRANT USAGE ON SCHEMA ${schema} TO <role>; GRANT SELECT ON ${name} TO <role>.`,
    }); // prettier-ignore
  return { id: found.id, kind: found.kind };
}
