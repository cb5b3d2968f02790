/**
 * 1,000,000 rows × 10 typed columns (text, numeric(12,2), date, timestamptz, jsonb, boolean, NULL and '') from a CSV file:
 * GET, check, load, publish, beside psql's `\copy` into a table of the same types. In turns; medians and their ratio.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ColumnType } from '../src/model/project.js';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';
import { loadFiles, median, psqlVersion, secondsOfPsql, writeCsvOf } from './support/load.js';

const ROWS = 1_000_000;
const ROUNDS = 3;
const COLUMNS: Readonly<Record<string, ColumnType>> = {
  id: 'bigint',
  code: 'text',
  name: 'text',
  amount: 'numeric(12,2)',
  price: 'double precision',
  day: 'date',
  at: 'timestamptz',
  detail: 'jsonb',
  active: 'boolean',
  note: 'text',
};
const QUERY = `SELECT i AS id, lpad(i::text, 6, '0') AS code, 'name ' || i % 1000 AS name, (i % 100000)::numeric(12,2) / 100 AS amount,
  i * 0.001::float8 AS price, date '2020-01-01' + i % 2000 AS day, timestamptz '2020-01-01 00:00:00+00' + i * interval '1 second' AS at,
  jsonb_build_object('k', i % 7, 'tags', jsonb_build_array('a', 'b')) AS detail, i % 2 = 0 AS active,
  CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'a note' END AS note FROM generate_series(1, ${ROWS}) AS i`;

const url = process.env['PLUMBLINE_DATABASE_URL']!;
const folder = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
await migrate(url);
const database = openDatabase({ url });
try {
  console.log(psqlVersion());
  const seconds = { psql: [] as number[], plumbline: [] as number[] };
  const types = Object.entries(COLUMNS)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ');
  for (let round = 0; round < ROUNDS; round++) {
    // A file of another name and content each time: nothing is known of it.
    const file = `rows-${round}.csv`;
    await writeCsvOf(database, QUERY.replace('a note', `note ${round}`), join(folder, file));
    await database.execute(`DROP TABLE IF EXISTS bench_copy; CREATE TABLE bench_copy (${types})`);
    seconds.psql.push(secondsOfPsql(url, `\\copy bench_copy FROM '${join(folder, file)}' (FORMAT csv, HEADER)\n`));
    const start = performance.now();
    const { rows } = await loadFiles({ database, folder, path: file, columns: COLUMNS });
    seconds.plumbline.push((performance.now() - start) / 1_000);
    const [different] = await database.query<{ rows: number }>(
      `SELECT count(*)::int AS rows FROM (SELECT ${Object.keys(COLUMNS).join(', ')} FROM bench_raw.rows EXCEPT SELECT * FROM bench_copy) AS d`,
    );
    if (rows !== ROWS || different!.rows !== 0)
      throw new Error(`${rows} rows, ${different!.rows} of them differ from psql's`);
  }
  const psql = median(seconds.psql);
  const plumbline = median(seconds.plumbline);
  console.table({
    'psql \\copy': { seconds: psql.toFixed(2), 'rows/s': Math.round(ROWS / psql), ratio: '1.00' },
    plumbline: {
      seconds: plumbline.toFixed(2),
      'rows/s': Math.round(ROWS / plumbline),
      ratio: (psql / plumbline).toFixed(2),
    },
  });
  console.log("ratio: plumbline's rows/s to psql's; expected 0.70 or more");
} finally {
  await database.close();
  await rm(folder, { recursive: true, force: true });
}
