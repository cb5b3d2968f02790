import { TerminalError } from '../../errors.js';
import type { Database, Queryable } from '../../model/database.js';
import { describeRelation, type RelationFacts } from './describe-relation.js';
import { listDependents, type DependentView } from './list-dependents.js';
import { readCatalog } from './read-catalog.js';
import { retryCatalogRace } from './retry-catalog-race.js';
import { shownName, type TableName } from './table-name.js';

export interface SwapTarget {
  readonly facts: RelationFacts;
  readonly views: readonly DependentView[];
}

/**
 * Checks, before anything is built, that a swap of `target` can reproduce all that hangs on it. A target that does not
 * exist yet passes. Throws `ELT_SWAP_NOT_POSSIBLE` with every obstacle by name; a retry gives the same.
 */
export async function assertSwappable(database: Database, target: TableName): Promise<void> {
  await retryCatalogRace(() =>
    database.transaction(async (session) => {
      await readCatalog(session);
      await readSwapTarget(session, target);
    }),
  );
}

/** What has to be carried over from `target`; undefined when there is none. The search path must be empty. */
export async function readSwapTarget(session: Queryable, target: TableName): Promise<SwapTarget | undefined> {
  const facts = await describeRelation(session, target);
  if (facts === undefined) return undefined;
  const { views, others } = await listDependents(session, facts.oid);
  const extras = await session.query<{ obstacle: string }>(OBSTACLES, [facts.oid, views.map((view) => view.oid)], {
    isKept: true,
  });
  const obstacles = [
    ...(facts.kind === 'r' || facts.kind === 'v' ? [] : [`it is ${KINDS[facts.kind] ?? 'not a table or view'}`]),
    ...(facts.kind === 'r' && facts.persistence !== 'p' ? ['it is unlogged or temporary'] : []),
    ...facts.columns
      .filter((column) => column.generated !== '')
      .map((column) => `identity or generated column ${column.name}`),
    ...others,
    ...extras.map((row) => row.obstacle),
  ];
  if (obstacles.length > 0) {
    throw new TerminalError(
      'ELT_SWAP_NOT_POSSIBLE',
      `Replacing ${shownName(target)} would lose what hangs on it: ${obstacles.join('; ')}.`,
      {
        details: { table: shownName(target), obstacles },
        next: 'Remove what is named, or let it refer to a view or a copy of the table.',
      },
    );
  }
  return { facts, views };
}

const KINDS: Readonly<Record<string, string>> = {
  m: 'a materialized view',
  f: 'a foreign table',
  p: 'a partitioned table',
  S: 'a sequence',
  i: 'an index',
  I: 'an index',
  c: 'a composite type',
};

// What pg_depend does not say, or says only of the other side. $1 the relation, $2 the views over it.
const OBSTACLES = `
  SELECT 'owner ' || pg_get_userbyid(c.relowner) || ' of ' || c.oid::regclass::text || ', a role that '
      || current_user || ' is not a member of' AS obstacle
    FROM pg_class c WHERE (c.oid = $1 OR c.oid = ANY($2::oid[])) AND NOT pg_has_role(current_user, c.relowner, 'MEMBER')
  UNION ALL
  SELECT 'schema ' || quote_ident(n.nspname) || ', in which owner ' || pg_get_userbyid(c.relowner) || ' may not create'
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = $1 AND NOT has_schema_privilege(c.relowner, n.oid, 'CREATE') AND NOT has_schema_privilege(n.oid, 'CREATE')
  UNION ALL
  SELECT 'schema ' || quote_ident(n.nspname) || ', in which ' || current_user || ' may not create'
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (c.oid = $1 OR c.oid = ANY($2::oid[])) AND NOT has_schema_privilege(n.oid, 'CREATE')
  UNION ALL
  SELECT 'grantor ' || pg_get_userbyid(a.grantor) || ', a role that ' || current_user || ' is not a member of'
    FROM pg_class c
    CROSS JOIN LATERAL (
      SELECT x.grantor FROM aclexplode(c.relacl) x
      UNION SELECT y.grantor FROM pg_attribute t, aclexplode(t.attacl) y WHERE t.attrelid = c.oid) a
    WHERE c.oid = $1 AND NOT pg_has_role(current_user, a.grantor, 'MEMBER')
  UNION ALL
  SELECT 'it inherits from ' || i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = $1
  UNION ALL
  SELECT 'a replica identity other than the primary key' FROM pg_class c WHERE c.oid = $1 AND c.relkind = 'r' AND c.relreplident <> 'd'
  UNION ALL
  SELECT 'it is a typed table' FROM pg_class c WHERE c.oid = $1 AND c.reloftype <> 0
  UNION ALL
  SELECT 'tablespace ' || quote_ident(s.spcname) FROM pg_class c JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = $1
  UNION ALL
  SELECT 'security label of ' || l.provider FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = $1`;
