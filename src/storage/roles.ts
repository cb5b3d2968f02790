import { createHash } from 'node:crypto';
import type { Database, Queryable, Session } from '../model/database.js';
import { ensureSchema } from '../model/ensure-schema.js';
import { identifier, literal, qualified } from '../model/sql-identifier.js';

export type RoleName = 'owner' | 'loader' | 'builder' | 'reader' | 'server';

export interface RoleReport {
  /** Role of each kind, by name; empty where the database does not allow to create roles. */
  readonly roles: Readonly<Partial<Record<RoleName, string>>>;
  /** Why there are none, for the log. */
  readonly note?: string;
}

export interface RoleSchemas {
  /** Raw schema: the loader's. */
  readonly raw: string;
  /** Published tables and views: the builder's. */
  readonly main: string;
  readonly stage: string;
}

/**
 * Least-privilege roles of a project in an environment, NOLOGIN, to be granted to login roles by the database's administrator:
 * `owner` may do everything in
 * the project's schemas; `loader` writes raw and stage; `builder` reads raw and writes stage and main; `reader` reads main; `server`
 * reads models and pointers and writes predictions, and sees no warehouse table. Idempotent. Where the user has no CREATEROLE, or
 * the schemas belong to somebody else, nothing is changed and the report says so.
 */
export async function ensureRoles(
  database: Database,
  options: { readonly env: string; readonly project: string; readonly schemas: RoleSchemas },
): Promise<RoleReport> {
  const { env, project, schemas } = options;
  const roles = roleNames(env, project);
  const grants = grantsOf(roles, schemas);
  const { user, isGranted } = await readGranted(database, grants, schemas);
  if (isGranted === null) return { roles: {}, note: `roles were not created: ${user} has no CREATEROLE` };
  // Each grant writes the catalog anew, also one that is there: what every connection knows of those tables would be void.
  if (isGranted) return { roles };
  try {
    await ensureSchema(database, ...projectSchemas(schemas));
    await database.transaction(async (session) => {
      // Two workers that start at once would both find a role missing; concurrent grants fail with "tuple concurrently updated".
      await session.query(`SELECT pg_advisory_xact_lock(hashtext('plumbline.roles'))`);
      for (const role of Object.values(roles)) await createRole(session, role);
      await session.execute(statementsOf(grants, schemas).join(';\n'));
    });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    // 42501 insufficient_privilege: an object belongs to another role.
    if (code !== '42501') throw error;
    return { roles: {}, note: `roles were not created: ${message}` };
  }
  return { roles };
}

/** PostgreSQL cuts identifiers at 63 bytes; two cut names could be the same, so a hash takes the place of the rest. */
const MAX_BYTES = 63 - '_builder'.length;

function roleNames(env: string, project: string): Record<RoleName, string> {
  const whole = `plumbline_${project}_${env}`.replace(/[^a-z0-9_]/gi, '_').toLowerCase();
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, 8);
  const base = whole.length <= MAX_BYTES ? whole : `${whole.slice(0, MAX_BYTES - 9)}_${hash}`;
  return {
    owner: `${base}_owner`,
    loader: `${base}_loader`,
    builder: `${base}_builder`,
    reader: `${base}_reader`,
    server: `${base}_server`,
  };
}

async function createRole(session: Session, role: string): Promise<void> {
  const found = await session.query(`SELECT 1 FROM pg_roles WHERE rolname = $1`, [role]);
  if (found.length > 0) return;
  await session.execute(`CREATE ROLE ${identifier(role)} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE`);
  await session.execute(
    `COMMENT ON ROLE ${identifier(role)} IS ${literal('made by plumbline; grant it to login roles')}`,
  );
}

/** What a role may do with a schema and its tables. */
interface Grant {
  readonly role: string;
  readonly schema: string;
  readonly onSchema: readonly ('USAGE' | 'CREATE')[];
  readonly onTables: readonly ('SELECT' | 'INSERT' | 'UPDATE' | 'DELETE')[] | 'ALL';
  /** @default all tables of the schema */
  readonly tables?: readonly string[];
  /** Not these of them. */
  readonly without?: readonly string[];
  /** Tables that this user makes later, too: every load and transform makes new ones. */
  readonly later: boolean;
}

function projectSchemas({ raw, main, stage }: RoleSchemas): string[] {
  return [raw, main, stage];
}

function grantsOf(
  { owner, loader, builder, reader, server }: Record<RoleName, string>,
  schemas: RoleSchemas,
): readonly Grant[] {
  const { raw, main, stage } = schemas;
  const all = (role: string, schema: string): Grant => ({
    role,
    schema,
    onSchema: ['USAGE', 'CREATE'],
    onTables: 'ALL',
    later: true,
  });
  const read = (role: string, schema: string): Grant => ({
    role,
    schema,
    onSchema: ['USAGE'],
    onTables: ['SELECT'],
    later: true,
  });
  const metadata = (
    role: string,
    onTables: Grant['onTables'],
    which: Pick<Grant, 'tables' | 'without'> = {},
  ): Grant => ({ role, schema: 'plumbline', onSchema: ['USAGE'], onTables, ...which, later: false });
  const write = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;
  return [
    ...projectSchemas(schemas).map((schema) => all(owner, schema)),
    all(loader, raw),
    all(loader, stage),
    read(builder, raw),
    all(builder, stage),
    all(builder, main),
    read(reader, main),
    ...[owner, loader, builder].map((role) => metadata(role, write)),
    // Whom a project forgot is not for everybody who reads its tables.
    metadata(reader, ['SELECT'], { without: ['erasures', 'erasure_salts'] }),
    metadata(server, ['SELECT'], { tables: ['model_versions', 'serving_pointer'] }),
    metadata(server, ['SELECT', 'INSERT'], { tables: ['predictions'] }),
    metadata(server, write, { tables: ['spool_offsets'] }),
  ];
}

function statementsOf(grants: readonly Grant[], schemas: RoleSchemas): string[] {
  const closed = projectSchemas(schemas).map((schema) => `REVOKE ALL ON SCHEMA ${identifier(schema)} FROM PUBLIC`);
  return [...closed, ...grants.flatMap(grantStatements)];
}

function grantStatements({ onSchema, onTables, tables, without, later, ...at }: Grant): string[] {
  const [role, schema] = [identifier(at.role), identifier(at.schema)];
  const privileges = onTables === 'ALL' ? 'ALL' : onTables.join(', ');
  const named = (names: readonly string[]): string => names.map((name) => qualified(at.schema, name)).join(', ');
  const which = tables === undefined ? `ALL TABLES IN SCHEMA ${schema}` : named(tables);
  return [
    `GRANT ${onSchema.join(', ')} ON SCHEMA ${schema} TO ${role}`,
    `GRANT ${privileges} ON ${which} TO ${role}`,
    ...(without === undefined ? [] : [`REVOKE ALL ON ${named(without)} FROM ${role}`]),
    ...(later ? [`ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT ${privileges} ON TABLES TO ${role}`] : []),
  ];
}

/** Whether every role is there with all its privileges, and none that it must not have; null where the user may not make roles. */
async function readGranted(
  database: Queryable,
  grants: readonly Grant[],
  schemas: RoleSchemas,
): Promise<{ readonly user: string; readonly isGranted: boolean | null }> {
  const wanted = grants.map(({ onTables, ...grant }) => (onTables === 'ALL' ? grant : { ...grant, onTables }));
  const [row] = await database.query<{ user: string; isGranted: boolean | null }>(
    GRANTED,
    [JSON.stringify(wanted), projectSchemas(schemas)],
    { isKept: true },
  );
  return row!;
}

/** $1: grants, without `onTables` for all that there is on tables of this version of PostgreSQL; $2: schemas closed to PUBLIC. */
const GRANTED = `
  WITH wanted AS (
    SELECT r.oid AS role, n.oid AS schema, n.nspacl, g."onSchema" AS on_schema, g.tables, coalesce(g.without, '{}') AS without, g.later,
      coalesce(g."onTables", ARRAY(SELECT privilege_type FROM aclexplode(acldefault('r', 10)))) AS on_tables
    FROM jsonb_to_recordset($1) AS g (role text, schema text, "onSchema" text[], "onTables" text[], tables text[], without text[], later boolean)
    LEFT JOIN pg_roles r ON r.rolname = g.role
    LEFT JOIN pg_namespace n ON n.nspname = g.schema),
  -- Most tables of a schema have one list: each is looked at once.
  lists AS (
    SELECT DISTINCT w.role, w.on_tables, c.relacl FROM wanted w JOIN pg_class c ON c.relnamespace = w.schema
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (w.tables IS NULL OR c.relname = ANY(w.tables)) AND c.relname <> ALL(w.without))
  SELECT rolname AS user, CASE WHEN rolsuper OR rolcreaterole THEN NOT EXISTS (SELECT FROM wanted WHERE role IS NULL OR schema IS NULL)
    AND NOT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = ANY($2) AND a.grantee = 0)
    AND NOT EXISTS (SELECT FROM wanted w
      WHERE NOT ARRAY(SELECT privilege_type FROM aclexplode(w.nspacl) a WHERE a.grantee = w.role) @> w.on_schema)
    AND NOT EXISTS (SELECT FROM lists l
      WHERE NOT ARRAY(SELECT privilege_type FROM aclexplode(l.relacl) a WHERE a.grantee = l.role) @> l.on_tables)
    AND NOT EXISTS (SELECT FROM wanted w JOIN pg_class c ON c.relnamespace = w.schema, aclexplode(c.relacl) a
      WHERE c.relname = ANY(w.without) AND a.grantee = w.role)
    AND NOT EXISTS (SELECT FROM wanted w
      WHERE w.later AND NOT ARRAY(SELECT a.privilege_type FROM pg_default_acl d, aclexplode(d.defaclacl) a
        WHERE d.defaclnamespace = w.schema AND d.defaclobjtype = 'r' AND pg_get_userbyid(d.defaclrole) = current_user AND a.grantee = w.role) @> w.on_tables)
    END AS "isGranted"
  FROM pg_roles WHERE rolname = current_user`;
