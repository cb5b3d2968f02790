import type { Queryable } from '../../model/database.js';
import type { TableName } from './table-name.js';

/** One entry of an access list, as `aclexplode` gives it; grantee '' is PUBLIC. */
export interface Grant {
  readonly grantor: string;
  readonly grantee: string;
  readonly privilege: string;
  readonly grantable: boolean;
}

export interface ColumnFacts {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly defaultSql: string | null;
  /** Identity and generated columns: '' when it is neither. */
  readonly generated: string;
  readonly comment: string | null;
  readonly grants: readonly Grant[];
}

export interface IndexFacts {
  readonly name: string;
  readonly unique: boolean;
  /** What follows `USING`, without any name in it: two indexes that do the same are equal here. */
  readonly definition: string;
  readonly comment: string | null;
}

export interface ConstraintFacts {
  readonly name: string;
  /** p primary key, u unique, x exclusion, c check, f foreign key. */
  readonly type: string;
  readonly definition: string;
  readonly comment: string | null;
}

export interface PolicyFacts {
  readonly name: string;
  readonly permissive: boolean;
  readonly command: string;
  readonly roles: readonly string[];
  readonly using: string | null;
  readonly check: string | null;
  readonly comment: string | null;
}

/** What a relation is apart from its rows. `kind` as in pg_class.relkind: r table, v view, … */
export interface RelationFacts {
  readonly oid: number;
  readonly kind: string;
  readonly owner: string;
  readonly persistence: string;
  readonly options: readonly string[];
  readonly comment: string | null;
  readonly grants: readonly Grant[];
  readonly rowSecurity: boolean;
  readonly forceRowSecurity: boolean;
  readonly columns: readonly ColumnFacts[];
  readonly indexes: readonly IndexFacts[];
  readonly constraints: readonly ConstraintFacts[];
  readonly policies: readonly PolicyFacts[];
}

/**
 * Reads the catalog; undefined when nothing has that name. The search path must be empty, so that every name in a
 * definition comes out qualified.
 */
export async function describeRelation(session: Queryable, table: TableName): Promise<RelationFacts | undefined> {
  const [facts] = await session.query<RelationFacts & Record<string, unknown>>(RELATION, [table.schema, table.name], {
    isKept: true,
  });
  return facts;
}

const grants = (acl: string): string => `(
  SELECT coalesce(json_agg(json_build_object(
    'grantor', pg_get_userbyid(a.grantor),
    'grantee', CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END,
    'privilege', a.privilege_type, 'grantable', a.is_grantable)
    ORDER BY a.position), '[]')
  FROM aclexplode(${acl}) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, position))`;

const COLUMNS = `
  SELECT a.attname::text AS name,
    format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> t.typcollation
      THEN ' COLLATE ' || (SELECT quote_ident(collname) FROM pg_collation WHERE oid = a.attcollation) ELSE '' END AS type,
    a.attnotnull AS "notNull",
    CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS "defaultSql",
    a.attidentity::text || a.attgenerated::text AS generated,
    col_description(a.attrelid, a.attnum) AS comment,
    ${grants('a.attacl')} AS grants
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attnum`;

// pg_get_indexdef starts with the names of index and table; cut them off by their own length.
const INDEXES = `
  SELECT i.relname::text AS name, x.indisunique AS unique,
    substr(pg_get_indexdef(i.oid), length(format('CREATE %sINDEX %I ON %I.%I USING ',
      CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, i.relname, n.nspname, t.relname)) + 1) AS definition,
    obj_description(i.oid, 'pg_class') AS comment
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  WHERE x.indrelid = c.oid AND x.indisvalid
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
  ORDER BY i.relname`;

// NOT NULL is read from the columns: PostgreSQL 18 lists it here too ('n').
const CONSTRAINTS = `
  SELECT k.conname::text AS name, k.contype::text AS type, pg_get_constraintdef(k.oid) AS definition,
    obj_description(k.oid, 'pg_constraint') AS comment
  FROM pg_constraint k
  WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x', 'c', 'f')
  ORDER BY array_position('{p,u,x,c,f}'::text[], k.contype::text), k.conname`;

const POLICIES = `
  SELECT p.polname::text AS name, p.polpermissive AS permissive,
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END
      AS command,
    (SELECT array_agg(CASE r WHEN 0 THEN '' ELSE pg_get_userbyid(r)::text END) FROM unnest(p.polroles) r) AS roles,
    pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS check,
    obj_description(p.oid, 'pg_policy') AS comment
  FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname`;

const rows = (query: string): string => `(SELECT coalesce(json_agg(fact), '[]') FROM (${query}) AS fact)`;

// One statement: it is asked several times in every publication, once while readers wait.
const RELATION = `
  SELECT c.oid, c.relkind::text AS kind, pg_get_userbyid(c.relowner)::text AS owner,
    c.relpersistence::text AS persistence, coalesce(c.reloptions, '{}') AS options,
    obj_description(c.oid, 'pg_class') AS comment,
    ${grants(`coalesce(c.relacl, acldefault('r', c.relowner))`)} AS grants,
    c.relrowsecurity AS "rowSecurity", c.relforcerowsecurity AS "forceRowSecurity",
    ${rows(COLUMNS)} AS columns, ${rows(INDEXES)} AS indexes,
    ${rows(CONSTRAINTS)} AS constraints, ${rows(POLICIES)} AS policies
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2`;
