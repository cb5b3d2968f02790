import type { Queryable } from '../../model/database.js';

/** A view that reads the relation directly. */
export interface DependentView {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly owner: string;
  readonly options: readonly string[];
  /** `SELECT …`, fully qualified when the search path is empty. */
  readonly definition: string;
}

export interface Dependents {
  readonly views: readonly DependentView[];
  /** What no swap can reproduce, in PostgreSQL's own words: `trigger t on table x`. */
  readonly others: readonly string[];
}

/**
 * Everything that hangs on a relation, by an allow-list: its own indexes, constraints, defaults, policies and the
 * views over it are carried by a swap; whatever else `pg_depend` names is in `others`.
 */
export async function listDependents(session: Queryable, oid: number): Promise<Dependents> {
  const rows = await session.query<{ view: number | null; description: string }>(DEPENDENTS, [oid], { isKept: true });
  const views = rows.flatMap((row) => (row.view === null ? [] : [row.view]));
  return {
    views: views.length === 0 ? [] : await session.query<DependentView & Record<string, unknown>>(VIEWS, [views]),
    others: [...new Set(rows.flatMap((row) => (row.view === null ? [row.description] : [])))],
  };
}

const DEPENDENTS = `
  WITH relation AS (
    SELECT c.oid, c.reltype, t.typarray FROM pg_class c LEFT JOIN pg_type t ON t.oid = c.reltype WHERE c.oid = $1
  ), dependents AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid, d.deptype
    FROM pg_depend d, relation r
    WHERE (d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid)
       OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (r.reltype, r.typarray) AND d.refobjid <> 0)
  )
  SELECT DISTINCT v.oid AS view,
    CASE WHEN v.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid) END AS description
  FROM dependents d
  CROSS JOIN relation r
  LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
  LEFT JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'v' AND v.oid <> r.oid
  WHERE v.oid IS NOT NULL OR NOT (
    (d.classid = 'pg_type'::regclass AND d.objid IN (r.reltype, r.typarray))
    OR (d.classid = 'pg_rewrite'::regclass AND w.ev_class = r.oid AND w.rulename = '_RETURN')
    OR (d.classid = 'pg_class'::regclass AND EXISTS (
      SELECT FROM pg_class o WHERE o.oid = d.objid AND (o.relkind IN ('i', 't') OR o.oid = r.oid)))
    OR (d.classid = 'pg_constraint'::regclass AND EXISTS (
      SELECT FROM pg_constraint k WHERE k.oid = d.objid AND k.conrelid = r.oid AND k.contype <> 't'))
    OR (d.classid = 'pg_attrdef'::regclass AND EXISTS (
      SELECT FROM pg_attrdef f WHERE f.oid = d.objid AND f.adrelid = r.oid))
    OR (d.classid = 'pg_policy'::regclass AND EXISTS (
      SELECT FROM pg_policy p WHERE p.oid = d.objid AND p.polrelid = r.oid))
    OR (d.classid = 'pg_trigger'::regclass AND EXISTS (
      SELECT FROM pg_trigger g JOIN pg_constraint k ON k.oid = g.tgconstraint
      WHERE g.oid = d.objid AND g.tgisinternal AND k.contype = 'f'))
  )
  ORDER BY 1, 2`;

const VIEWS = `
  SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner,
    coalesce(c.reloptions, '{}') AS options, pg_get_viewdef(c.oid) AS definition
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = ANY($1::oid[]) ORDER BY n.nspname, c.relname`;
