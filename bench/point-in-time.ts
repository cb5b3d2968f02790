/**
 * Point-in-time join of 200,000 labels with 2,000,000 events of 20,000 entities: the whole of buildTrainingSet, beside
 * a hand-written LATERAL join over an index and DuckDB's ASOF JOIN, which has no known-at. Prints seconds.
 *
 * Needs an empty database: PLUMBLINE_DATABASE_URL=postgres://… npm run bench -- point-in-time
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { buildTrainingSet } from '../src/features/build-training-set.js';
import type { FeatureViewFile } from '../src/model/project.js';
import { openDirectoryStore } from '../src/storage/artifact-store.js';
import { openDatabase } from '../src/storage/database.js';

const LABELS = 200_000;
const EVENTS = 2_000_000;
const ENTITIES = 20_000;

const url = process.env['PLUMBLINE_DATABASE_URL'];
if (url === undefined) throw new Error('PLUMBLINE_DATABASE_URL is not set');
const database = openDatabase({ url });
const folder = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
const seconds: Record<string, number> = {};

async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  seconds[name] = Math.round((performance.now() - start) / 10) / 100;
}

try {
  await database.execute(`DROP TABLE IF EXISTS bench_events, bench_labels; SELECT setseed(0.5);
    CREATE TABLE bench_events AS SELECT (random() * ${ENTITIES})::int AS customer, timestamp '2024-01-01' + random() * interval '365 days' AS at,
      random() * interval '2 days' AS delay, random() AS f1, random() AS f2, (random() * 10)::int AS f3 FROM generate_series(1, ${EVENTS});
    CREATE TABLE bench_labels AS SELECT DISTINCT ON (customer, at) * FROM (SELECT (random() * ${ENTITIES})::int AS customer,
      timestamp '2024-01-01' + random() * interval '365 days' AS at, random() AS y FROM generate_series(1, ${LABELS})) AS l;
    ANALYZE bench_events, bench_labels`);
  const build = (view: Partial<FeatureViewFile> & { readonly sql: string }) =>
    buildTrainingSet({
      database,
      store: openDirectoryStore(join(folder, 'store')),
      labels: {
        name: 'labels',
        file: 'labels.sql',
        sql: 'SELECT customer, at, y FROM bench_labels',
        entity: ['customer'],
        labelTime: 'at',
        target: 'y',
        horizonMs: 86_400_000,
      },
      views: [{ name: 'events', file: 'events.sql', entity: ['customer'], eventTime: 'at', ...view }],
      features: ['events'],
      testFrom: '2024-11-01',
      refs: new Map(),
      sources: new Map(),
      rewrittenTables: new Set(),
    });
  await measure('buildTrainingSet, known = event time', () =>
    build({ sql: 'SELECT customer, at, f1, f2, f3 FROM bench_events' }),
  );
  await measure('buildTrainingSet, known-at column', () =>
    build({ sql: 'SELECT customer, at, at + delay AS known, f1, f2, f3 FROM bench_events', knownAt: 'known' }),
  );
  await measure('PostgreSQL: CREATE INDEX', () => database.execute('CREATE INDEX ON bench_events (customer, at)'));
  await measure('PostgreSQL: LATERAL over the index', () =>
    database.execute(`CREATE TEMP TABLE lateral_join AS SELECT l.*, e.f1, e.f2, e.f3 FROM bench_labels AS l LEFT JOIN LATERAL (
      SELECT f1, f2, f3 FROM bench_events AS e WHERE e.customer = l.customer AND e.at <= l.at - interval '24 hours'
       ORDER BY e.at DESC LIMIT 1) AS e ON true`),
  );

  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  for (const table of ['bench_labels', 'bench_events']) {
    const path = join(folder, `${table}.csv`);
    await database.session((session) =>
      session.copyTo(`COPY ${table} TO STDOUT (FORMAT csv, HEADER)`, createWriteStream(path)),
    );
    await connection.run(`CREATE TABLE ${table} AS SELECT * FROM read_csv('${path}')`);
  }
  await measure('DuckDB: ASOF JOIN in memory', () =>
    connection.run(`CREATE TABLE joined AS SELECT l.*, e.f1, e.f2, e.f3 FROM bench_labels AS l
      ASOF LEFT JOIN bench_events AS e ON l.customer = e.customer AND l.at - INTERVAL 24 HOURS >= e.at`),
  );
  connection.closeSync();
  instance.closeSync();
  console.table(seconds);
  console.log(`peak memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
} finally {
  await database.execute('DROP TABLE IF EXISTS bench_events, bench_labels');
  await database.close();
  await rm(folder, { recursive: true, force: true });
}
