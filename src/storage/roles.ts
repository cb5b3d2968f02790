import { createHash } from 'node:crypto';
import type { Database, Session } from '../model/database.js';
import { ensureSchema } from '../model/ensure-schema.js';
import { identifier, literal } from '../model/sql-identifier.js';

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
  const [user] = await database.query<{ name: string; may: boolean }>(
    `SELECT rolname AS name, rolsuper OR rolcreaterole AS may FROM pg_roles WHERE rolname = current_user`,
  );
  if (user?.may !== true) {
    return { roles: {}, note: `roles were not created: ${user?.name ?? 'the database user'} has no CREATEROLE` };
  }
  const roles = roleNames(env, project);
  try {
    for (const schema of [schemas.raw, schemas.main, schemas.stage]) await ensureSchema(database, schema);
    await database.transaction(async (session) => {
      // Two workers that start at once would both find a role missing; concurrent grants fail with "tuple concurrently updated".
      await session.query(`SELECT pg_advisory_xact_lock(hashtext('plumbline.roles'))`);
      for (const role of Object.values(roles)) await createRole(session, role);
      await grantAll(session, roles, schemas);
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

async function grantAll(session: Session, roles: Record<RoleName, string>, schemas: RoleSchemas): Promise<void> {
  const { raw, main, stage } = schemas;
  const { owner, loader, builder, reader, server } = roles;
  for (const schema of [raw, main, stage]) {
    await session.execute(`REVOKE ALL ON SCHEMA ${identifier(schema)} FROM PUBLIC`);
    await session.execute(`GRANT ALL ON SCHEMA ${identifier(schema)} TO ${identifier(owner)}`);
    await grantTables(session, schema, 'ALL', owner);
  }
  await grantSchema(session, raw, 'ALL', loader);
  await grantSchema(session, stage, 'ALL', loader);
  await grantSchema(session, raw, 'SELECT', builder);
  await grantSchema(session, stage, 'ALL', builder);
  await grantSchema(session, main, 'ALL', builder);
  await grantSchema(session, main, 'SELECT', reader);
  const metadata = (privileges: string, tables: string, role: string) =>
    session.execute(`GRANT ${privileges} ON ${tables} TO ${identifier(role)}`);
  for (const role of [owner, loader, builder, reader, server])
    await session.execute(`GRANT USAGE ON SCHEMA plumbline TO ${identifier(role)}`);
  for (const role of [owner, loader, builder])
    await metadata('SELECT, INSERT, UPDATE, DELETE', 'ALL TABLES IN SCHEMA plumbline', role);
  await metadata('SELECT', 'ALL TABLES IN SCHEMA plumbline', reader);
  // Whom a project forgot is not for everybody who reads its tables.
  await session.execute(`REVOKE ALL ON plumbline.erasures, plumbline.erasure_salts FROM ${identifier(reader)}`);
  await metadata('SELECT', 'plumbline.model_versions, plumbline.serving_pointer', server);
  await metadata('SELECT, INSERT', 'plumbline.predictions', server);
  await metadata('SELECT, INSERT, UPDATE, DELETE', 'plumbline.spool_offsets', server);
}

async function grantSchema(
  session: Session,
  schema: string,
  privileges: 'ALL' | 'SELECT',
  role: string,
): Promise<void> {
  const usage = privileges === 'ALL' ? 'USAGE, CREATE' : 'USAGE';
  await session.execute(`GRANT ${usage} ON SCHEMA ${identifier(schema)} TO ${identifier(role)}`);
  await grantTables(session, schema, privileges, role);
}

/** Tables that are there and those that this user makes later: every load and transform makes new ones. */
async function grantTables(session: Session, schema: string, privileges: string, role: string): Promise<void> {
  const name = identifier(schema);
  await session.execute(`GRANT ${privileges} ON ALL TABLES IN SCHEMA ${name} TO ${identifier(role)}`);
  await session.execute(
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${name} GRANT ${privileges} ON TABLES TO ${identifier(role)}`,
  );
}
