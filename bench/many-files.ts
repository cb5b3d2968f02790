/** The same 305,000 rows as 305 daily files and as one file, each loaded in one go. In turns; medians and their ratio. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';
import { loadFiles, median, writeCsvOf } from './support/load.js';

const FILES = 305;
const ROWS = 1_000;
const ROUNDS = 3;
const COLUMNS = { id: 'bigint', day: 'date', amount: 'numeric(12,2)', note: 'text' } as const;

const url = process.env['PLUMBLINE_DATABASE_URL']!;
const folder = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
await migrate(url);
const database = openDatabase({ url });
const query = (from: number, to: number, round: number): string =>
  `SELECT i AS id, date '2020-01-01' + i / ${ROWS} AS day, (i % 100000)::numeric(12,2) / 100 AS amount, 'round ${round}' AS note FROM generate_series(${from}, ${to - 1}) AS i`;
try {
  const seconds = { many: [] as number[], one: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    await mkdir(join(folder, `many-${round}`));
    for (let day = 0; day < FILES; day++) {
      const file = join(folder, `many-${round}`, `${String(day).padStart(3, '0')}.csv`);
      await writeCsvOf(database, query(day * ROWS, (day + 1) * ROWS, round), file);
    }
    await writeCsvOf(database, query(0, FILES * ROWS, round), join(folder, `one-${round}.csv`));
    for (const [kind, path] of [
      ['many', `many-${round}/*.csv`],
      ['one', `one-${round}.csv`],
    ] as const) {
      const start = performance.now();
      const { rows } = await loadFiles({ database, folder, path, columns: COLUMNS });
      if (rows !== FILES * ROWS) throw new Error(`${rows} rows are in the table, expected ${FILES * ROWS}`);
      seconds[kind].push((performance.now() - start) / 1_000);
    }
  }
  const [many, one] = [median(seconds.many), median(seconds.one)];
  console.table({
    'one file': { seconds: one.toFixed(2), ratio: '1.00' },
    [`${FILES} files`]: { seconds: many.toFixed(2), ratio: (many / one).toFixed(2) },
  });
  console.log('ratio of the times; expected at most 1.50');
} finally {
  await database.close();
  await rm(folder, { recursive: true, force: true });
}
