import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import pg from 'pg';
import { assertSwappable } from '../../../src/elt/publish/assert-swappable.js';
import { swapTable } from '../../../src/elt/publish/swap-table.js';
import type { TerminalError } from '../../../src/errors.js';
import { inOneSnapshot } from '../../../src/model/one-snapshot.js';
import { tagDatabase } from '../../../src/storage/database.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

let test_: TestDatabase;
const staged = { schema: 'stage', name: 'demand__r1' };
const target = { schema: 'main', name: 'demand' };
const role = `somebody_${process.pid}`;

beforeAll(async () => {
  test_ = await createTestDatabase();
  await test_.database.execute(`CREATE ROLE ${role} LOGIN`);
});
afterAll(async () => {
  await test_.database.execute(`DROP SCHEMA IF EXISTS main, stage, other CASCADE`);
  await test_.database.execute(`DROP OWNED BY ${role}`);
  await test_.database.execute(`DROP ROLE ${role}`);
  await test_.drop();
});
beforeEach(async () => {
  await test_.database.execute(`
    DROP SCHEMA IF EXISTS main, stage, other CASCADE;
    CREATE SCHEMA main; CREATE SCHEMA stage; CREATE SCHEMA other;
    GRANT USAGE, CREATE ON SCHEMA other TO ${role}; GRANT USAGE ON SCHEMA main TO ${role}`);
});

const run = (sql: string) => test_.database.execute(sql);
const rows = (sql: string) => test_.database.query(sql);
const build = (sql: string) => run(`CREATE TABLE stage.demand__r1 AS ${sql}`);
const connect = async (name: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: test_.url, application_name: name });
  await client.connect();
  return client;
};
const swap = (options = {}) => swapTable(test_.database, { staged, target, ...options });

test('moves a table to a name that is free', async () => {
  await build('SELECT 1 AS a');
  await swap();
  expect(await rows('SELECT * FROM main.demand')).toEqual([{ a: 1 }]);
  expect(await rows(`SELECT relname FROM pg_class WHERE relnamespace = 'stage'::regnamespace`)).toEqual([]);
});

test('gives a first publication the default privileges of its schema', async () => {
  await run(`ALTER DEFAULT PRIVILEGES IN SCHEMA main GRANT SELECT ON TABLES TO ${role}`);
  await build('SELECT 1 AS a');
  await swap();
  expect(await rows(`SELECT has_table_privilege('${role}', 'main.demand', 'SELECT') AS reads`)).toEqual([
    { reads: true },
  ]);
});

test('carries grants, comments, indexes, constraints, defaults, options and policies under their names', async () => {
  await run(`
    CREATE TABLE main.kind (id int PRIMARY KEY); INSERT INTO main.kind VALUES (1), (2);
    CREATE TABLE main.demand (id int PRIMARY KEY, kind int NOT NULL DEFAULT 1 REFERENCES main.kind, "odd "" name" text,
      CONSTRAINT positive CHECK (id > 0)) WITH (fillfactor = 70);
    CREATE INDEX "by ON kind USING" ON main.demand USING btree (kind DESC) WHERE kind > 0;
    CREATE UNIQUE INDEX lower_name ON main.demand (lower("odd "" name"));
    ALTER TABLE main.demand ENABLE ROW LEVEL SECURITY;
    CREATE POLICY evens ON main.demand FOR SELECT TO ${role} USING (id % 2 = 0);
    COMMENT ON POLICY evens ON main.demand IS 'only even';
    COMMENT ON TABLE main.demand IS 'it''s \\ demand'; COMMENT ON COLUMN main.demand.kind IS 'k';
    COMMENT ON INDEX main.lower_name IS 'i'; COMMENT ON CONSTRAINT positive ON main.demand IS 'c';
    GRANT SELECT ON main.demand TO ${role} WITH GRANT OPTION; GRANT UPDATE (kind) ON main.demand TO ${role};
    SET ROLE ${role}; GRANT SELECT ON main.demand TO PUBLIC; RESET ROLE`);
  const describe = async () => ({
    dump: await rows(`
      SELECT relacl::text, reloptions::text, relrowsecurity, obj_description(oid) AS comment, pg_get_userbyid(relowner) AS owner
      FROM pg_class WHERE oid = 'main.demand'::regclass`),
    columns: await rows(`
      SELECT attname, attnotnull, attacl::text, col_description(attrelid, attnum) AS comment,
        (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum) AS standard
      FROM pg_attribute WHERE attrelid = 'main.demand'::regclass AND attnum > 0`),
    indexes: await rows(`
      SELECT pg_get_indexdef(indexrelid) AS definition, obj_description(indexrelid) AS comment
      FROM pg_index WHERE indrelid = 'main.demand'::regclass ORDER BY 1`),
    constraints: await rows(`
      SELECT conname, pg_get_constraintdef(oid) AS definition, obj_description(oid) AS comment
      FROM pg_constraint WHERE conrelid = 'main.demand'::regclass AND contype <> 'n' ORDER BY 1`),
    policies: await rows(`
      SELECT polname, polcmd, polroles::regrole[]::text, pg_get_expr(polqual, polrelid) AS expression,
        obj_description(oid) AS comment FROM pg_policy WHERE polrelid = 'main.demand'::regclass`),
  });
  const before = await describe();
  for (let round = 1; round <= 2; round++) {
    await build(`SELECT i AS id, 2 AS kind, 'n' || i AS "odd "" name" FROM generate_series(1, 4) i`);
    await swap();
    expect(await describe()).toEqual(before);
  }
  const reader = new pg.Client({ connectionString: test_.url.replace('postgres@', `${role}@`) });
  await reader.connect();
  expect((await reader.query('SELECT id FROM main.demand ORDER BY id')).rows).toEqual([{ id: 2 }, { id: 4 }]);
  await reader.end();
});

test('keeps views, views over views and a view owned by somebody else', async () => {
  await run(`
    CREATE TABLE main.demand AS SELECT 1 AS a, 'x' AS b;
    GRANT SELECT ON main.demand TO ${role};
    CREATE VIEW main.inner_view WITH (security_barrier) AS SELECT a FROM main.demand;
    CREATE VIEW other.outer_view AS SELECT a + 1 AS c FROM main.inner_view;
    COMMENT ON VIEW main.inner_view IS 'kept';
    SET ROLE ${role}; CREATE VIEW other.theirs AS SELECT d.b FROM main.demand d; RESET ROLE`);
  await build(`SELECT 5 AS a, 'y' AS b, true AS added`);
  await swap();
  expect(await rows('SELECT * FROM main.inner_view')).toEqual([{ a: 5 }]);
  expect(await rows('SELECT * FROM other.outer_view')).toEqual([{ c: 6 }]);
  expect(await rows('SELECT * FROM other.theirs')).toEqual([{ b: 'y' }]);
  expect(
    await rows(`SELECT relname, reloptions::text, pg_get_userbyid(relowner)::text AS owner, obj_description(oid) AS comment
      FROM pg_class WHERE relkind = 'v' AND relnamespace IN ('main'::regnamespace, 'other'::regnamespace) ORDER BY 1`),
  ).toEqual([
    { relname: 'inner_view', reloptions: '{security_barrier=true}', owner: 'postgres', comment: 'kept' },
    { relname: 'outer_view', reloptions: null, owner: 'postgres', comment: null },
    { relname: 'theirs', reloptions: null, owner: role, comment: null },
  ]);
});

test('makes views anew, outer ones too, when a column changes its type', async () => {
  await run(`
    CREATE TABLE main.demand AS SELECT 1 AS a;
    CREATE VIEW main.first AS SELECT a FROM main.demand;
    CREATE VIEW main.second AS SELECT f.a, d.a AS direct FROM main.first f, main.demand d;
    GRANT SELECT (a) ON main.second TO ${role}; COMMENT ON COLUMN main.second.a IS 'note';
    ALTER VIEW main.first OWNER TO ${role}; GRANT SELECT ON main.demand TO ${role};
    GRANT SELECT ON main.first TO PUBLIC`);
  const access = `SELECT relname, pg_get_userbyid(relowner)::text AS owner, relacl::text, (SELECT attacl::text FROM pg_attribute
    WHERE attrelid = c.oid AND attnum = 1) AS column_acl, col_description(oid, 1) AS comment
    FROM pg_class c WHERE relkind = 'v' AND relnamespace = 'main'::regnamespace ORDER BY 1`;
  await run(`GRANT CREATE ON SCHEMA main TO ${role}`);
  const before = await rows(access);
  await build(`SELECT 'text now' AS a`);
  await swap();
  expect(await rows('SELECT * FROM main.second')).toEqual([{ a: 'text now', direct: 'text now' }]);
  expect(await rows(access)).toEqual(before);
});

test('stops with the name of a view that needs a column the new table has not, and changes nothing', async () => {
  await run(`CREATE TABLE main.demand AS SELECT 1 AS a, 2 AS b; CREATE VIEW main.uses_b AS SELECT b FROM main.demand`);
  await build(`SELECT 1 AS a`);
  await expect(swap()).rejects.toMatchObject({
    code: 'ELT_SWAP_CANNOT_CARRY',
    message: expect.stringContaining('main.uses_b') as string,
  });
  expect(await rows('SELECT * FROM main.uses_b')).toEqual([{ b: 2 }]);
  expect(await rows('SELECT * FROM stage.demand__r1')).toEqual([{ a: 1 }]);
});

test('stops when the new rows break a carried constraint, and changes nothing', async () => {
  await run(`CREATE TABLE main.demand (a int CONSTRAINT one_each UNIQUE); INSERT INTO main.demand VALUES (1)`);
  await build(`SELECT 7 AS a UNION ALL SELECT 7`);
  await expect(swap()).rejects.toMatchObject({
    code: 'ELT_SWAP_CANNOT_CARRY',
    message: expect.stringContaining('constraint one_each') as string,
  });
  expect(await rows('SELECT * FROM main.demand')).toEqual([{ a: 1 }]);
});

test.each([
  [
    'a trigger',
    `CREATE FUNCTION other.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
     CREATE TRIGGER audit AFTER INSERT ON main.demand EXECUTE FUNCTION other.f()`,
    'trigger audit',
  ],
  ['a materialized view', 'CREATE MATERIALIZED VIEW other.m AS SELECT a FROM main.demand', 'other.m'],
  ['a foreign key', 'CREATE TABLE other.child (a int REFERENCES main.demand)', 'child_a_fkey'],
  ['a publication', 'CREATE PUBLICATION stream FOR TABLE main.demand', 'publication stream'],
  [
    'a function over its rows',
    `CREATE FUNCTION other.g(main.demand) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    'other.g',
  ],
  ['a child table', 'CREATE TABLE other.child () INHERITS (main.demand)', 'other.child'],
  ['a rule', 'CREATE RULE quiet AS ON DELETE TO main.demand DO INSTEAD NOTHING', 'rule quiet'],
  ['an identity column', 'ALTER TABLE main.demand ADD n int GENERATED ALWAYS AS IDENTITY', 'column n'],
  ['extended statistics', 'CREATE STATISTICS other.s ON a, b FROM main.demand', 'other.s'],
  [
    'a policy of another table',
    `CREATE TABLE other.t AS SELECT 1 AS a;
     CREATE POLICY p ON other.t USING (a IN (SELECT a FROM main.demand))`,
    'policy p',
  ],
])('refuses, before a build, a target with %s', async (_, sql, named) => {
  await run(`CREATE TABLE main.demand (a int PRIMARY KEY, b int)`);
  await assertSwappable(test_.database, target);
  await run(sql);
  await expect(assertSwappable(test_.database, target)).rejects.toMatchObject({
    code: 'ELT_SWAP_NOT_POSSIBLE',
    message: expect.stringContaining(named) as string,
  });
  await run('DROP PUBLICATION IF EXISTS stream');
});

test('swaps a table for a view and back under a dependent view', async () => {
  await run(`CREATE TABLE main.demand AS SELECT 1 AS a; CREATE VIEW main.reader AS SELECT a FROM main.demand;
    GRANT SELECT ON main.demand TO ${role}; COMMENT ON TABLE main.demand IS 'kept'`);
  await run('CREATE VIEW stage.demand__r1 AS SELECT 2 AS a');
  await swap();
  expect(await rows('SELECT * FROM main.reader')).toEqual([{ a: 2 }]);
  await run('CREATE VIEW stage.demand__r1 AS SELECT 3 AS a');
  await swap();
  expect(await rows('SELECT * FROM main.reader')).toEqual([{ a: 3 }]);
  await build('SELECT 4 AS a');
  await swap();
  expect(await rows('SELECT * FROM main.reader')).toEqual([{ a: 4 }]);
  expect(
    await rows(`SELECT relkind, obj_description(oid) AS comment, has_table_privilege('${role}', oid, 'SELECT') AS reads
      FROM pg_class WHERE oid = 'main.demand'::regclass`),
  ).toEqual([{ relkind: 'r', comment: 'kept', reads: true }]);
});

test('carries what changed between the look and the lock', async () => {
  await run(`CREATE TABLE main.demand AS SELECT 1 AS a`);
  await build('SELECT 2 AS a');
  const holder = new pg.Client({ connectionString: test_.url });
  await holder.connect();
  await holder.query('BEGIN; SELECT * FROM main.demand');
  const swapping = swap({ lockTimeoutMs: 50 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await holder.query(`CREATE VIEW main.late AS SELECT a FROM main.demand; CREATE INDEX late_index ON main.demand (a)`);
  await holder.query('COMMIT');
  await holder.end();
  await swapping;
  expect(await rows('SELECT * FROM main.late')).toEqual([{ a: 2 }]);
  expect(
    await rows(`SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 'main.demand'::regclass`),
  ).toEqual([{ name: 'main.late_index' }]);
});

test('gives up in time and names who is in the way', async () => {
  await run(`CREATE TABLE main.demand AS SELECT 1 AS a`);
  await build('SELECT 2 AS a');
  const holder = await connect('long report');
  await holder.query('BEGIN; SELECT * FROM main.demand');
  const { rows: own } = await holder.query<{ pid: number; since: string }>(
    `SELECT pg_backend_pid() AS pid, date_trunc('second', now() AT TIME ZONE 'UTC')::text AS since`,
  );
  const waits: string[] = [];
  const onWait = (waitingFor: string) => waits.push(waitingFor);
  const error = (await swap({ publishTimeoutMs: 1500, onWait }).catch((thrown: unknown) => thrown)) as TerminalError;
  expect(error).toMatchObject({ code: 'ELT_PUBLISH_TIMEOUT', terminal: true });
  const shown = `1 older transaction: pid ${own[0]!.pid} (postgres long report, idle in transaction, since ${own[0]!.since}+00)`;
  expect(error.message).toBe(`Publishing main.demand was given up after 1.5 s of waiting for ${shown}.`);
  expect(error.next).toContain('pg_terminate_backend');
  expect(new Set(waits)).toEqual(new Set([shown]));
  await holder.end();
  await swap();
  expect(await rows('SELECT * FROM main.demand')).toEqual([{ a: 2 }]);
});

const openSnapshot = async (name: string): Promise<pg.Client> => {
  const reader = await connect(name);
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await reader.query('SELECT 1');
  return reader;
};

test.each(['', 'psql', 'plumbline cli', 'plumbline worker', 'plumbline'])(
  'waits for a REPEATABLE READ snapshot that would see the new table as empty, of a connection named "%s"',
  async (name) => {
    await run(`CREATE TABLE main.demand AS SELECT 1 AS a`);
    const reader = await openSnapshot(name);
    await build('SELECT 2 AS a');
    const waits: string[] = [];
    let isDone = false;
    const swapping = swap({ onWait: (waitingFor: string) => waits.push(waitingFor) }).then(() => (isDone = true));
    while (waits.length < 5) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isDone).toBe(false);
    expect(waits[0]).toContain('1 older transaction: pid');
    expect((await reader.query('SELECT a FROM main.demand')).rows).toEqual([{ a: 1 }]);
    await reader.query('COMMIT');
    await swapping;
    expect((await reader.query('SELECT a FROM main.demand')).rows).toEqual([{ a: 2 }]);
    await reader.end();
  },
);

test("a run's own long work beside it does not hold a swap up", async () => {
  await run(`CREATE TABLE main.demand AS SELECT 1 AS a`);
  const worker = await openSnapshot('plumbline/x/y/1');
  await build('SELECT 2 AS a');
  await swap({ publishTimeoutMs: 2_000 });
  expect(await rows('SELECT * FROM main.demand')).toEqual([{ a: 2 }]);
  await worker.end();
});

test('waits for a step of another project that reads in one snapshot', async () => {
  await run(`CREATE TABLE main.demand AS SELECT 1 AS a`);
  const waits: string[] = [];
  let swapping: Promise<void> | undefined;
  await tagDatabase(test_.database, 'plumbline/x/y/1').session((session) =>
    inOneSnapshot(session, async () => {
      await session.query('SELECT 1');
      await build('SELECT 2 AS a');
      swapping = swap({ onWait: (waitingFor: string) => waits.push(waitingFor) });
      while (waits.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await session.query('SELECT a FROM main.demand')).toEqual([{ a: 1 }]);
    }),
  );
  await swapping;
  expect(await rows('SELECT a FROM main.demand')).toEqual([{ a: 2 }]);
  expect(await rows(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'`)).toEqual([]);
}, 20_000);

test('commits what beforeCommit writes with the swap, and rolls both back when it throws', async () => {
  await run(`CREATE TABLE main.demand AS SELECT 1 AS a; CREATE TABLE main.mark (m text)`);
  await build('SELECT 2 AS a');
  const fails = swap({
    beforeCommit: async (session: { execute(sql: string): Promise<number> }) => {
      await session.execute(`INSERT INTO main.mark VALUES ('lost')`);
      throw new Error('fenced');
    },
  });
  await expect(fails).rejects.toThrow('fenced');
  expect(await rows('SELECT a FROM main.demand')).toEqual([{ a: 1 }]);
  await swap({
    beforeCommit: (session: { execute(sql: string): Promise<number> }) =>
      session.execute(`INSERT INTO main.mark VALUES ('done')`),
  });
  expect(await rows('SELECT m, a FROM main.mark, main.demand')).toEqual([{ m: 'done', a: 2 }]);
});

test('an abort ends the wait and leaves all as it was', async () => {
  await run(`CREATE TABLE main.demand AS SELECT 1 AS a`);
  await build('SELECT 2 AS a');
  const holder = new pg.Client({ connectionString: test_.url });
  await holder.connect();
  await holder.query('BEGIN; SELECT * FROM main.demand');
  await expect(swap({ signal: AbortSignal.timeout(300) })).rejects.toMatchObject({ name: 'TimeoutError' });
  await holder.end();
  expect(await rows('SELECT a FROM main.demand')).toEqual([{ a: 1 }]);
});
