/**
 * A full refresh of 2,000,000 rows × 5 columns from one database into another, with snapshot, ledger, content hash, swap
 * and primary key, beside `psql -c "COPY … TO STDOUT (FORMAT binary)" | psql -c "COPY … FROM STDIN (FORMAT binary)"` into a
 * table without an index. Prints seconds of alternated rounds and the ratio of the best ones.
 *
 * Needs an empty database and psql on the PATH: PLUMBLINE_DATABASE_URL=postgres://… npm run bench -- postgres-copy
 */
import { spawnSync } from 'node:child_process';
import { extractPostgres } from '../src/elt/postgres/extract-postgres.js';
import { loadPostgres } from '../src/elt/postgres/load-postgres.js';
import { publishResource } from '../src/elt/load/publish-resource.js';
import type { ResourceConfig } from '../src/model/project.js';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';

const ROWS = 2_000_000;
const ROUNDS = Number(process.env['PLUMBLINE_BENCH_ROUNDS'] ?? 5);

const url = process.env['PLUMBLINE_DATABASE_URL'];
if (url === undefined) throw new Error('PLUMBLINE_DATABASE_URL is not set');
if (spawnSync('psql', ['--version']).status !== 0)
  throw new Error('psql is not on the PATH; PostgreSQL’s client programs have it');
await migrate(url);
const database = openDatabase({ url });
const source = openDatabase({ url, startup: '' });
const schemas = { raw: 'bench_raw', main: 'bench_main', stage: 'bench_stage' };
const resource: ResourceConfig = {
  id: 'bench',
  source: 'bench',
  table: 'bench',
  type: 'postgres',
  path: 'public.bench_source',
  format: 'auto',
  write: 'replace',
  primaryKey: ['id'],
  columns: {},
  maxRejectedShare: 0,
  postgres: { connection: 'env:BENCH', schema: 'public', table: 'bench_source' },
  at: { file: 'plumbline.yaml', line: 1 },
};

async function refresh(parallel: number | undefined): Promise<void> {
  const options = {
    database,
    source,
    sourceName: 'the bench',
    env: 'bench',
    project: 'bench',
    schemas,
    resource: { ...resource, postgres: { ...resource.postgres!, ...(parallel !== undefined && { parallel }) } },
    runId: 'bench',
  };
  // As in a busy source: its transactions make what was read before a thing of the past.
  await database.query('SELECT txid_current()');
  const { objects } = await extractPostgres(options);
  const load = await loadPostgres({ ...options, object: objects[0]! });
  if (load.rowsLoaded !== ROWS) throw new Error(`loaded ${load.rowsLoaded} rows`);
  await publishResource({ ...options, loads: [load] });
}

async function pipe(): Promise<void> {
  await database.execute('DROP TABLE IF EXISTS bench_copy; CREATE TABLE bench_copy (LIKE bench_source)');
  const start = performance.now();
  const psql = (copy: string): string => `psql -qX -v ON_ERROR_STOP=1 -c "${copy} (FORMAT binary)" "$URL"`;
  const command = `${psql('COPY bench_source TO STDOUT')} | ${psql('COPY bench_copy FROM STDIN')}`;
  const { status } = spawnSync('sh', ['-c', command], { stdio: 'inherit', env: { ...process.env, URL: url! } });
  if (status !== 0) throw new Error('psql failed');
  seconds['psql | psql']!.push((performance.now() - start) / 1_000);
}

const seconds: Record<string, number[]> = {
  'psql | psql': [],
  'plumbline, `parallel` not given': [],
  'plumbline, parallel: 1': [],
  'plumbline, parallel: 4': [],
};
const best = (name: string): number => Math.min(...seconds[name]!);
try {
  await database.execute(`DROP TABLE IF EXISTS bench_source;
    CREATE TABLE bench_source AS SELECT i::bigint AS id, (i % 613)::bigint AS station, random() AS share, (random() * 1000)::numeric(12,2) AS price,
      timestamptz '2024-01-01' + i * interval '1 s' AS at FROM generate_series(1, ${ROWS}) AS i;
    ALTER TABLE bench_source ADD PRIMARY KEY (id)`);
  await database.execute('VACUUM ANALYZE bench_source');
  for (let round = 0; round < ROUNDS; round++) {
    await pipe();
    for (const parallel of [undefined, 1, 4]) {
      const start = performance.now();
      await refresh(parallel);
      seconds[`plumbline, ${parallel === undefined ? '`parallel` not given' : `parallel: ${parallel}`}`]!.push(
        (performance.now() - start) / 1_000,
      );
    }
  }
  const baseline = best('psql | psql');
  console.table(
    Object.entries(seconds).map(([name, all]) => ({
      name,
      best: best(name).toFixed(2),
      ratio: (best(name) / baseline).toFixed(2),
      all: all.map((one) => one.toFixed(2)).join(' '),
    })),
  );
  console.log(`peak memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
} finally {
  await database.execute(
    `DROP TABLE IF EXISTS bench_source, bench_copy; DROP SCHEMA IF EXISTS bench_raw, bench_stage CASCADE; DROP SCHEMA plumbline CASCADE`,
  );
  await source.close();
  await database.close();
}
