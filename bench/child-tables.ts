/**
 * 1,000,000 rows with 3 elements each, loaded with a child table. The baseline is the same file without a child table, and what one would write
 * by hand behind it: `INSERT … SELECT` of jsonb_array_elements by psql, which checks nothing, quarantines nothing and names no types by itself.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { literal } from '../src/model/sql-identifier.js';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';
import { loadFiles, psqlVersion, secondsOfPsql } from './support/load.js';
import { watchMemory } from './support/watch-memory.js';

const ROWS = Number(process.argv[3] ?? 1_000_000);
const ELEMENTS = 3;
const COLUMNS = { id: 'bigint', shop: 'text' } as const;
const CHILDREN = [
  { field: 'lines', table: 'rows_lines', columns: { sku: 'text', qty: 'bigint', price: 'numeric(12,2)' } },
] as const;

async function writeRows(path: string): Promise<void> {
  const stream = createWriteStream(path, { highWaterMark: 1 << 20 });
  for (let id = 1; id <= ROWS;) {
    let text = '';
    for (const last = Math.min(ROWS, id + 999); id <= last; id++) {
      const lines = Array.from({ length: ELEMENTS }, (_, index) => ({ sku: `sku ${(id + index) % 5_000}`, qty: 1 + (id % 9), price: ((id + index) % 10_000) / 100 })); // prettier-ignore
      text += `${JSON.stringify({ id, shop: `shop ${id % 50}`, lines })}\n`;
    }
    if (!stream.write(text)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
}

async function writeParquet(from: string, to: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  await connection.run(`COPY (SELECT * FROM read_json(${literal(from)})) TO ${literal(to)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}

const BY_HAND = `
  DROP TABLE IF EXISTS by_hand;
  CREATE TABLE by_hand (_parent_load_id bigint, _parent_row_number bigint, _index bigint, sku text, qty bigint, price numeric(12,2));
  INSERT INTO by_hand SELECT p._load_id, p._row_number, e.place - 1, e.element ->> 'sku', (e.element ->> 'qty')::bigint, (e.element ->> 'price')::numeric(12,2)
    FROM bench_raw.rows AS p CROSS JOIN LATERAL jsonb_array_elements(p.lines) WITH ORDINALITY AS e (element, place);`;

const url = process.env['PLUMBLINE_DATABASE_URL']!;
const folder = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
await migrate(url);
const database = openDatabase({ url });
const timed = async (work: () => unknown): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
};
try {
  await writeRows(join(folder, 'rows.ndjson'));
  await writeParquet(join(folder, 'rows.ndjson'), join(folder, 'rows.parquet'));
  const measured: Record<string, unknown> = {};
  for (const path of ['rows.ndjson', 'rows.parquet']) {
    const load = { database, folder, path, columns: COLUMNS };
    const without = await timed(() => loadFiles({ ...load, columns: { ...COLUMNS, lines: 'jsonb' } }));
    const byHand = secondsOfPsql(url, BY_HAND);
    await database.execute('DROP TABLE bench_raw.rows, by_hand');
    await database.execute('DELETE FROM plumbline.loads');
    const memory = watchMemory();
    const seconds = await timed(() => loadFiles({ ...load, children: CHILDREN }));
    const highest = memory.stop();
    const [{ rows }] = await database.query<{ rows: number }>('SELECT count(*)::int4 AS rows FROM bench_raw.rows_lines') as [{ rows: number }]; // prettier-ignore
    if (rows !== ROWS * ELEMENTS) throw new Error(`${rows} rows are in the child table, expected ${ROWS * ELEMENTS}`);
    measured[path] = {
      MB: Math.round((await stat(join(folder, path))).size / 1e6),
      'without children s': without.toFixed(1),
      'INSERT … SELECT s': byHand.toFixed(1),
      'with children s': seconds.toFixed(1),
      ratio: (seconds / (without + byHand)).toFixed(2),
      ...highest,
    };
    await database.execute('DROP TABLE bench_raw.rows, bench_raw.rows_lines');
    await database.execute('DELETE FROM plumbline.loads');
  }
  console.table(measured);
  console.log(
    `baseline: ${psqlVersion()}; expected a ratio of at most 2, and at most 300 MiB above the process at rest`,
  );
} finally {
  await database.close();
  await rm(folder, { recursive: true, force: true });
}
