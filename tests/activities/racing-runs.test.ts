import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RESERVED_ENVIRONMENTS, schemaNames } from '../../src/project/schema-names.js';
import { createWorkbench, type Workbench } from './workbench.js';

const SEED = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Date.now() % 2 ** 31);
const yaml = (name: string): string => `name: ${name}
sources:
  added: { path: data/*.csv, write: append }
  merged: { path: data/*.csv, write: merge, primary_key: id }
  whole: { path: data/*.csv }
environments: { prod: {} }
`;
const TABLES = ['added', 'merged', 'whole'];

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({ 'plumbline.yaml': yaml('shop') });
});
afterAll(() => bench.destroy());

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly terminal?: boolean;
}
const failureOf = (error: unknown): Failure => (error as { details: [Failure] }).details[0];

/** A run that waits for others of its project as Temporal's retries do; gives what it was told meanwhile. */
async function race(
  runId: string,
  more: { readonly env?: string; readonly project?: string } = {},
): Promise<Failure[]> {
  const told: Failure[] = [];
  for (;;) {
    try {
      const { run, plan } = await bench.open(runId, ['elt'], { force: true, ...more });
      await bench.elt(run, plan);
      await bench.close(run);
      return told;
    } catch (error) {
      const failure = failureOf(error);
      if (failure.code !== 'RUN_LEASE_HELD') throw error;
      told.push(failure);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }
}

async function contentOf(schema: string): Promise<Record<string, unknown>> {
  const contents: Record<string, unknown> = {};
  for (const table of TABLES)
    contents[table] = await bench.test.database.query(
      `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids, sum(amount)::int AS amount FROM ${schema}.${table}`,
    );
  return contents;
}
const expected = (files: number, factor = 1) =>
  Object.fromEntries(
    TABLES.map((table) => [table, [{ rows: 100 * files, ids: 100 * files, amount: 100 * files * factor }]]),
  );
const file = (number: number, amount: number): string =>
  `id,amount\n${Array.from({ length: 100 }, (_, row) => `${100 * number + row},${amount}\n`).join('')}`;

it('runs of one project that start at once take turns: no row is lost or doubled, and who waits is told for whom', async () => {
  await bench.write({ 'data/0.csv': file(0, 1) });
  const told = (await Promise.all([1, 2, 3].map((number) => race(`run-${number}`)))).flat();
  expect(told.length).toBeGreaterThan(0);
  for (const failure of told)
    expect(failure).toMatchObject({
      terminal: false,
      message: expect.stringMatching(/^Run run-\d still holds shop \(dev\), until /) as string,
    });
  expect(await contentOf('shop_dev_raw')).toEqual(expected(1));
  // Each of the three loaded everything anew, one after the other, and accounts for every row.
  const { database } = bench.test;
  expect(
    await database.query(
      `SELECT resource, count(*)::int AS loads, count(DISTINCT run_id)::int AS runs, bool_and(rows_read = rows_loaded + rows_rejected + rows_duplicate) AS whole,
         count(*) FILTER (WHERE status = 'published')::int AS published FROM plumbline.loads GROUP BY 1 ORDER BY 1`,
    ),
  ).toEqual(TABLES.map((resource) => ({ resource, loads: 3, runs: 3, whole: true, published: 1 })));
  expect(await database.query(`SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'shop_dev_stage'`)).toEqual([]); // prettier-ignore
  expect(await database.query(`SELECT holder FROM plumbline.leases WHERE holder <> ''`)).toEqual([]);
});

it('a run whose lease ran out in the middle changes nothing more, and the one that took over loads each row once', async () => {
  await bench.write({ 'data/1.csv': file(1, 1) });
  const { run, plan } = await bench.open('slow', ['elt']);
  const resource = plan.resources[0]!;
  const { objects } = await bench.call('extractResource', { run, resource });
  const loads = [];
  for (const object of objects) loads.push(await bench.call('loadObject', { run, resource, object }));
  await bench.test.database.execute(`UPDATE plumbline.leases SET expires_at = '-infinity'`);
  await race('quick');
  const late = await bench.call('publishResource', { run, resource, loads }).catch(failureOf);
  expect(late).toMatchObject({ code: 'RUN_LEASE_LOST', terminal: true });
  expect(await contentOf('shop_dev_raw')).toEqual(expected(2));
  expect(await bench.test.database.query(`SELECT status FROM plumbline.runs WHERE run_id = 'slow'`)).toEqual([{ status: 'failed' }]); // prettier-ignore
});

it('environments and projects in one database do not wait for each other, and share no table', async () => {
  const inProd = race('prod-1', { env: 'prod' });
  const inDev = race('dev-1');
  await Promise.all([inProd, inDev]);
  await bench.write({ 'plumbline.yaml': yaml('shop-prod'), 'data/1.csv': file(1, 5), 'data/0.csv': file(0, 5) }); // prettier-ignore
  expect(await race('other-1', { project: 'shop-prod' })).toEqual([]);
  expect([await inProd, await inDev]).toEqual([[], []]);
  expect(await contentOf('shop_dev_raw')).toEqual(expected(2));
  expect(await contentOf('shop_prod_raw')).toEqual(expected(2));
  expect(await contentOf('shop_prod_dev_raw')).toEqual(expected(2, 5));
});

it(`no two projects or environments have a schema in common (seed ${SEED})`, () => {
  const word = fc.constantFrom('a', 'b', 'dev', 'raw', 'stage', 'prod', 'a1');
  const project = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('-'));
  const environment = word.filter((name) => !RESERVED_ENVIRONMENTS.includes(name));
  const scope = fc.tuple(project, environment);
  fc.assert(
    fc.property(scope, scope, ([one, oneEnv], [other, otherEnv]) => {
      fc.pre(one !== other || oneEnv !== otherEnv);
      const taken = new Set(Object.values(schemaNames(one, oneEnv)));
      expect(Object.values(schemaNames(other, otherEnv)).filter((name) => taken.has(name))).toEqual([]);
    }),
    { seed: SEED, numRuns: 3_000 },
  );
});
