import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { embeddedDatabaseUrl, readPostgresPassword } from '../../src/config.js';
import { workflowId } from '../../src/contracts/queues.js';
import { CONNECTIONS } from '../../src/storage/connection-budget.js';
import { createStack, waitFor, type TestStack } from '../support/stack.js';
import { endOf, expectNothingLeft, startRun } from './checks.js';

// A few show what matters; PLUMBLINE_TEST_SOURCES=20 makes it 200 resources.
const SOURCES = Number(process.env['PLUMBLINE_TEST_SOURCES'] ?? 2);
const RESOURCES = 10;
const WORKERS = 2;
const STEPS_AT_ONCE = 8;
const PARALLEL = 2;

let stack: TestStack;
let watcher: pg.Client;
beforeAll(async () => {
  const nothing = await mkdtemp(join(tmpdir(), 'plumbline-many-'));
  stack = await createStack(nothing);
  await rm(nothing, { recursive: true });
  // Each with connections of its own, on the warehouse's server: the dearest kind of source there is.
  const resource = (number: number): string =>
    `{ query: "SELECT i AS id, ${number} AS n FROM generate_series(1, 50) AS i", parallel: ${PARALLEL} }`;
  const sources = Array.from({ length: SOURCES }, (_, source) =>
    [
      `  s${source}:\n    type: postgres\n    connection: file:url.txt\n    resources:\n`,
      ...Array.from({ length: RESOURCES }, (_, each) => `      r${each}: ${resource(source * RESOURCES + each)}\n`),
    ].join(''),
  );
  await writeFile(join(stack.root, 'plumbline.yaml'), `name: many\nsources:\n${sources.join('')}`);
  await stack.plumbline(['up', '--no-serving']);
  const { ports } = await stack.state();
  const password = await readPostgresPassword(join(stack.root, '.plumbline'));
  const url = embeddedDatabaseUrl(ports.postgres!, password!).reveal();
  await writeFile(join(stack.root, 'url.txt'), url);
  watcher = new pg.Client({ connectionString: url, application_name: 'watcher' });
  await watcher.connect();
  stack.start(['worker']);
  await waitFor(`${WORKERS} workers`, async () => {
    const { rowCount } = await watcher.query('SELECT FROM plumbline.workers');
    return rowCount === WORKERS ? true : undefined;
  });
}, 120_000);
afterAll(async () => {
  await watcher?.end();
  await stack.destroy();
}, 60_000);

it(
  `${SOURCES} sources of ${RESOURCES} resources load at once on ${WORKERS} workers, each once, within the connections they may have`,
  async () => {
    const runId = await startRun(stack, ['load']);
    const most = { own: 0, sources: 0, steps: 0 };
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        const { rows } = await watcher.query<typeof most>(
          `SELECT count(*) FILTER (WHERE application_name ~ '^plumbline( worker|/)')::int AS own,
             count(*) FILTER (WHERE application_name = 'plumbline')::int AS sources,
             (SELECT count(*)::int FROM plumbline.run_steps WHERE status = 'running') AS steps
           FROM pg_stat_activity`,
        );
        for (const key of ['own', 'sources', 'steps'] as const) most[key] = Math.max(most[key], rows[0]![key]);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    expect(await endOf(stack, runId)).toBe('succeeded');
    isOver = true;
    await watching;
    console.log(
      `at most ${most.own} connections of ${WORKERS} workers, ${most.sources} of sources, ${most.steps} steps`,
    );
    expect(most.own).toBeLessThanOrEqual(WORKERS * CONNECTIONS.worker);
    expect(most.sources).toBeLessThanOrEqual(WORKERS * STEPS_AT_ONCE * (PARALLEL + 1));
    // Otherwise it has shown nothing.
    expect(most.steps).toBeGreaterThan(STEPS_AT_ONCE);

    const resources = SOURCES * RESOURCES;
    const loads = await stack.query(
      `SELECT count(*)::int AS loads, count(DISTINCT resource)::int AS resources, sum(rows_loaded)::int AS rows, bool_and(status = 'published') AS published
       FROM plumbline.loads`,
    );
    expect(loads).toEqual([{ loads: resources, resources, rows: 50 * resources, published: true }]);
    const tables = await stack.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'many_dev_raw'`,
    );
    expect(tables).toHaveLength(resources);
    const each = tables.map(({ name }) => `SELECT count(*) AS rows, min(n) AS low, max(n) AS high FROM many_dev_raw."${name}"`); // prettier-ignore
    const contents = await stack.query<{ rows: string; low: string; high: string }>(each.join(' UNION ALL '));
    expect(
      contents.map(({ low, high }) => (low === high ? Number(low) : -1)).sort((one, other) => one - other),
    ).toEqual(Array.from({ length: resources }, (_, number) => number));
    expect(contents.every(({ rows }) => Number(rows) === 50)).toBe(true);
    // No step had to be tried again: none was refused a connection.
    expect(await stack.query('SELECT step, attempt, error FROM plumbline.run_steps WHERE attempt > 1')).toEqual([]);
    expect(await workersOf(runId)).toHaveLength(WORKERS);
    await expectNothingLeft(stack);
  },
  Math.max(60_000, SOURCES * 15_000),
);

/** Identities of the workers that the run's steps were done by. */
async function workersOf(runId: string): Promise<string[]> {
  const { ports } = await stack.state();
  const connection = await Connection.connect({ address: `127.0.0.1:${ports.temporal}` });
  try {
    const handle = new Client({ connection }).workflow.getHandle(workflowId('dev', 'many', 'elt', runId));
    const { events } = await handle.fetchHistory();
    return [...new Set((events ?? []).flatMap((event) => event.activityTaskStartedEventAttributes?.identity ?? []))];
  } finally {
    await connection.close();
  }
}
