import type { Database, Queryable } from '../../model/database.js';
import { identifier } from '../../model/sql-identifier.js';
import { temporaryName } from './carry-properties.js';
import type { RelationFacts } from './describe-relation.js';
import { dropUnlessInUse } from './drop-unless-in-use.js';
import { listDependents } from './list-dependents.js';
import { shownName, sqlName, type TableName } from './table-name.js';

/** What a replaced relation is called until it is dropped; the id makes it unique. */
export function replacedName(facts: Pick<RelationFacts, 'oid'>): string {
  return `plumbline_old_${facts.oid}`;
}

/** Moves a replaced relation that views still read out of the readers' schema, its index names out of everybody's way. */
export async function setAside(
  session: Queryable,
  facts: RelationFacts,
  old: TableName,
  stageSchema: string,
): Promise<void> {
  const owned = [...facts.constraints.filter(({ type }) => 'pux'.includes(type)), ...facts.indexes];
  for (const { name } of owned) {
    const index = sqlName({ schema: old.schema, name });
    await session.execute(`ALTER INDEX ${index} RENAME TO ${identifier(temporaryName(facts, name))}`);
  }
  if (old.schema !== stageSchema) {
    const noun = facts.kind === 'v' ? 'VIEW' : 'TABLE';
    await session.execute(`ALTER ${noun} ${sqlName(old)} SET SCHEMA ${identifier(stageSchema)}`);
  }
}

/**
 * Drops the replaced relations in a stage schema that no view reads any more. One that a reader still holds stays for
 * the next call.
 *
 * @returns the names dropped, `schema.name`
 */
export async function dropReplaced(database: Database, stageSchema: string): Promise<string[]> {
  const replaced = await database.query<TableName & { oid: number; kind: string }>(
    `SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'v') AND c.relname = 'plumbline_old_' || c.oid ORDER BY c.oid DESC`,
    [stageSchema],
  );
  if (replaced.length === 0) return [];
  return database.session(async (session) => {
    const dropped: string[] = [];
    for (const relation of replaced) {
      const isUnread = async (): Promise<boolean> => {
        const { views, others } = await listDependents(session, relation.oid);
        return views.length === 0 && others.length === 0;
      };
      if (await dropUnlessInUse(session, relation, isUnread)) dropped.push(shownName(relation));
    }
    return dropped;
  });
}
