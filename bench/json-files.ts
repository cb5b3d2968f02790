/**
 * JSON files of 300 MB, the same records as a compact document, as one that is printed over many lines and as one object a line: seconds of a
 * load, and its highest resident set above the process at rest. Every value that may hold a line end holds one.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';
import { loadFiles } from './support/load.js';
import { watchMemory } from './support/watch-memory.js';

const BYTES = Number(process.argv[3] ?? 300) * 1e6;
const COLUMNS = { id: 'bigint', day: 'date', amount: 'numeric(12,2)', note: 'text', place: 'jsonb' } as const;

const shapes = {
  compact: { file: 'compact.json', open: '[', between: ',', close: ']', written: (row: object) => JSON.stringify(row) },
  pretty: { file: 'pretty.json', open: '[', between: ',\n', close: ']', written: (row: object) => JSON.stringify(row, null, 2) }, // prettier-ignore
  ndjson: { file: 'rows.ndjson', open: '', between: '\n', close: '\n', written: (row: object) => JSON.stringify(row) },
};

async function write(path: string, { open, between, close, written }: (typeof shapes)['compact'], most: number): Promise<number> {
  const stream = createWriteStream(path, { highWaterMark: 1 << 20 });
  stream.write(open);
  let rows = 0;
  for (let bytes = 0; bytes < most; ) {
    let text = '';
    for (let index = 0; index < 1_000; index++) {
      const id = ++rows;
      const day = new Date(Date.UTC(2020, 0, 1 + (id % 2_000))).toISOString().slice(0, 10);
      const record = { id, day, amount: (id % 100_000) / 100, note: `note ${id % 1_000}\nof ${id}`, place: { town: 'Ulm', at: [id % 90, 9.5] } };
      text += (id === 1 ? '' : between) + written(record);
    }
    bytes += text.length;
    if (!stream.write(text)) await once(stream, 'drain');
  }
  stream.end(close);
  await once(stream, 'close');
  return rows;
} // prettier-ignore

const url = process.env['PLUMBLINE_DATABASE_URL']!;
const folder = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
await migrate(url);
const database = openDatabase({ url });
try {
  await write(join(folder, 'small.json'), shapes.compact, 1);
  await loadFiles({ database, folder, path: 'small.json', columns: COLUMNS });
  const measured: Record<string, unknown> = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const path = join(folder, shape.file);
    const written = await write(path, shape, BYTES);
    const { size } = await stat(path);
    const memory = watchMemory();
    const start = performance.now();
    const { rows } = await loadFiles({ database, folder, path: shape.file, columns: COLUMNS });
    const seconds = (performance.now() - start) / 1_000;
    if (rows !== written) throw new Error(`${rows} rows are in the table, expected ${written}`);
    measured[name] = {
      rows,
      MB: Math.round(size / 1e6),
      seconds: seconds.toFixed(1),
      'MB/s': (size / 1e6 / seconds).toFixed(1),
      ...memory.stop(),
    };
    await rm(path);
  }
  console.table(measured);
  console.log('expected at most 300 MiB above the process at rest');
} finally {
  await database.close();
  await rm(folder, { recursive: true, force: true });
}
