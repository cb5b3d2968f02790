import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/storage/database.js';
import { ensureRoles, type RoleName } from '../../src/storage/roles.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

// Roles belong to the whole server, so the project has a name of its own in each run.
const project = `bikes-${randomBytes(4).toString('hex')}`;
const schemas = { raw: 'bikes_dev_raw', main: 'bikes_dev', stage: 'bikes_dev_stage' };
let test: TestDatabase;
let roles: Record<RoleName, string>;
beforeAll(async () => {
  test = await createTestDatabase();
  const report = await ensureRoles(test.database, { env: 'dev', project, schemas });
  roles = report.roles as Record<RoleName, string>;
  // Made after the grants, as every load and transform does.
  await test.database.execute(`CREATE TABLE bikes_dev_raw.rides (id int); CREATE TABLE bikes_dev.demand (id int)`);
});
afterAll(async () => {
  for (const role of Object.values(roles)) await test.database.execute(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await test.drop();
});

async function may(role: RoleName, sql: string): Promise<boolean> {
  return test.database.session(async (session) => {
    await session.execute(`SET ROLE ${roles[role]}`);
    try {
      await session.execute(sql);
      return true;
    } catch (error) {
      if ((error as { code?: string }).code !== '42501') throw error;
      return false;
    } finally {
      await session.execute('RESET ROLE');
    }
  });
}

describe('ensureRoles', () => {
  it('makes five roles that cannot log in', async () => {
    expect(Object.keys(roles)).toEqual(['owner', 'loader', 'builder', 'reader', 'server']);
    const rows = await test.database.query<{ rolcanlogin: boolean; rolsuper: boolean }>(
      `SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = ANY($1)`,
      [Object.values(roles)],
    );
    expect(rows).toEqual(Array(5).fill({ rolcanlogin: false, rolsuper: false }));
  });

  it('can be called again, and by several at once', async () => {
    const reports = await Promise.all(
      [1, 2, 3, 4].map(() => ensureRoles(test.database, { env: 'dev', project, schemas })),
    );
    expect(reports).toEqual(Array(4).fill({ roles }));
  });

  it('writes no catalog where all is granted, and mends what is not', async () => {
    const tables = () =>
      test.database.query(
        `SELECT oid, xmin::text FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('plumbline'::regnamespace, 'bikes_dev_raw'::regnamespace) ORDER BY oid`,
      );
    const ensure = () => ensureRoles(test.database, { env: 'dev', project, schemas });
    await ensure();
    const before = await tables();
    await ensure();
    expect(await tables()).toEqual(before);
    for (const [harm, ask, expected] of [
      [
        `REVOKE SELECT ON bikes_dev_raw.rides FROM ${roles.builder}`,
        `has_table_privilege('${roles.builder}', 'bikes_dev_raw.rides', 'SELECT')`,
        true,
      ],
      [
        `REVOKE CREATE ON SCHEMA bikes_dev FROM ${roles.builder}`,
        `has_schema_privilege('${roles.builder}', 'bikes_dev', 'CREATE')`,
        true,
      ],
      [
        `REVOKE UPDATE ON plumbline.runs FROM ${roles.loader}`,
        `has_table_privilege('${roles.loader}', 'plumbline.runs', 'UPDATE')`,
        true,
      ],
      [
        `REVOKE INSERT ON plumbline.predictions FROM ${roles.server}`,
        `has_table_privilege('${roles.server}', 'plumbline.predictions', 'INSERT')`,
        true,
      ],
      [
        `GRANT USAGE ON SCHEMA bikes_dev TO PUBLIC`,
        `EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = 'bikes_dev' AND a.grantee = 0)`,
        false,
      ],
      [
        `GRANT SELECT ON plumbline.erasures TO ${roles.reader}`,
        `has_table_privilege('${roles.reader}', 'plumbline.erasures', 'SELECT')`,
        false,
      ],
      [
        `ALTER DEFAULT PRIVILEGES IN SCHEMA bikes_dev REVOKE SELECT ON TABLES FROM ${roles.reader}; CREATE TABLE bikes_dev.late (id int)`,
        `has_table_privilege('${roles.reader}', 'bikes_dev.late', 'SELECT')`,
        true,
      ],
      [
        `DROP OWNED BY ${roles.server}; DROP ROLE ${roles.server}`,
        `EXISTS (SELECT FROM pg_roles WHERE rolname = '${roles.server}')`,
        true,
      ],
    ] as const) {
      const is = async (): Promise<unknown> =>
        (await test.database.query<{ is: boolean }>(`SELECT ${ask} AS is`))[0]!.is;
      await test.database.execute(harm);
      expect(await is(), harm).toBe(!expected);
      await ensure();
      expect(await is(), harm).toBe(expected);
    }
  });

  it.each<[RoleName, string, boolean]>([
    ['loader', 'INSERT INTO bikes_dev_raw.rides VALUES (1)', true],
    ['loader', 'CREATE TABLE bikes_dev_stage.load_1 (id int)', true],
    ['loader', 'SELECT * FROM bikes_dev.demand', false],
    ['builder', 'SELECT * FROM bikes_dev_raw.rides', true],
    ['builder', 'INSERT INTO bikes_dev_raw.rides VALUES (1)', false],
    ['builder', 'CREATE TABLE bikes_dev.new_demand (id int)', true],
    ['reader', 'SELECT * FROM bikes_dev.demand', true],
    ['reader', 'SELECT * FROM bikes_dev_raw.rides', false],
    ['reader', 'INSERT INTO bikes_dev.demand VALUES (1)', false],
    ['reader', 'DELETE FROM plumbline.predictions', false],
    ['server', 'SELECT * FROM plumbline.serving_pointer', true],
    ['server', 'DELETE FROM plumbline.spool_offsets', true],
    ['server', 'UPDATE plumbline.serving_pointer SET version = 1', false],
    ['server', 'DELETE FROM plumbline.predictions', false],
    ['server', 'SELECT * FROM bikes_dev.demand', false],
    ['server', 'SELECT * FROM plumbline.runs', false],
    ['owner', 'DROP TABLE bikes_dev.demand', false],
    ['owner', 'DELETE FROM bikes_dev.demand', true],
  ])('%s: %s → %s', async (role, sql, expected) => {
    expect(await may(role, sql)).toBe(expected);
  });

  it('shortens the names of a long project and environment, and keeps them apart', async () => {
    const made: string[] = [];
    try {
      for (const env of ['production1', 'production2']) {
        const report = await ensureRoles(test.database, { env, project: `${project}-${'x'.repeat(30)}`, schemas });
        made.push(...Object.values(report.roles));
      }
      expect(new Set(made).size).toBe(10);
      for (const role of made) expect(role).toMatch(/^plumbline_bikes_[0-9a-f]{8}_x+_[0-9a-f]{8}_[a-z]+$/);
      const known = await test.database.query('SELECT FROM pg_roles WHERE rolname = ANY($1)', [made]);
      expect(known.length).toBe(10);
    } finally {
      for (const role of made) await test.database.execute(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('changes nothing and says why where the user may not create roles', async () => {
    const name = `plain_${randomBytes(4).toString('hex')}`;
    await test.database.execute(`CREATE ROLE ${name} LOGIN`);
    const url = new URL(test.url);
    url.username = name;
    const database = openDatabase({ url: url.href, max: 1 });
    try {
      expect(await ensureRoles(database, { env: 'dev', project: 'other', schemas })).toEqual({
        roles: {},
        note: `roles were not created: ${name} has no CREATEROLE`,
      });
    } finally {
      await database.close();
      await test.database.execute(`DROP ROLE ${name}`);
    }
  });
});
