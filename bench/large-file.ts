/**
 * How much memory the load of a 10,000,000-row CSV file takes above what the process takes at rest: resident set before,
 * and its highest while the file is fetched, checked, loaded and published.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';
import { loadFiles, writeCsvOf } from './support/load.js';

const ROWS = 10_000_000;
const COLUMNS = { id: 'bigint', day: 'date', amount: 'numeric(12,2)', note: 'text' } as const;

const url = process.env['PLUMBLINE_DATABASE_URL']!;
const folder = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
await migrate(url);
const database = openDatabase({ url });
const query = (rows: number): string =>
  `SELECT i AS id, date '2020-01-01' + i % 2000 AS day, (i % 100000)::numeric(12,2) / 100 AS amount, 'note ' || i % 1000 AS note FROM generate_series(1, ${rows}) AS i`;
try {
  await writeCsvOf(database, query(ROWS), join(folder, 'large.csv'));
  await writeCsvOf(database, query(1_000), join(folder, 'small.csv'));
  await loadFiles({ database, folder, path: 'small.csv', columns: COLUMNS });
  const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
  const atRest = process.memoryUsage.rss();
  let highest = atRest;
  const timer = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 50);
  const start = performance.now();
  const { rows } = await loadFiles({ database, folder, path: 'large.csv', columns: COLUMNS });
  clearInterval(timer);
  if (rows !== ROWS) throw new Error(`${rows} rows are in the table, expected ${ROWS}`);
  const seconds = (performance.now() - start) / 1_000;
  console.table({
    [`${rows} rows, ${mebibytes((await stat(join(folder, 'large.csv'))).size)} MiB`]: {
      seconds: seconds.toFixed(1),
      'rows/s': Math.round(rows / seconds),
      'MiB at rest': mebibytes(atRest),
      'MiB above it': mebibytes(highest - atRest),
    },
  });
  console.log('expected at most 300 MiB above the process at rest');
} finally {
  await database.close();
  await rm(folder, { recursive: true, force: true });
}
