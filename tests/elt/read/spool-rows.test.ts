import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withDuckDB } from '../../../src/elt/read/duckdb.js';
import { LineIndex } from '../../../src/elt/read/line-index.js';
import { readChunks } from '../../../src/elt/read/read-chunks.js';
import { linesOf } from '../../../src/elt/read/row-chunk.js';
import type { RowFault } from '../../../src/elt/read/row-fault.js';
import type { RowSource } from '../../../src/elt/read/row-source.js';
import { spoolRows } from '../../../src/elt/read/spool-rows.js';

/** Of one file with line ends in its values DuckDB keeps all in memory, which is at an end at some 240 MB. */
test('rows with line ends in their values lie in several files, and are read as the rows of one, from any row on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-spool-'));
  const lines = new LineIndex();
  const rows = 5_000;
  const isFault = (row: number): boolean => row <= 2 || row % 1_000 === 0;
  const faults: RowFault[] = [];
  for (let row = 1; row <= rows; row++) {
    lines.add(row, 3 * row);
    if (isFault(row)) faults.push({ row, line: 3 * row, column: null, value: null, reason: 'no row', raw: '7' });
  }
  try {
    const spooled = await spoolRows(folder, 'a.json', async (spool) => {
      for (let row = 1; row <= rows; row++) {
        if (isFault(row)) continue;
        spool.addText(String(row));
        const json = Buffer.from(JSON.stringify(`"one"\nof ${row}`));
        spool.addJsonText(json, 0, json.length);
        spool.addMissing();
        spool.endRow();
        if (row % 97 === 0) await spool.drain();
      }
      return { headers: ['id', 'note', 'nothing'], rows, faults, lines };
    }, undefined, 10_000); // prettier-ignore
    expect((await readdir(folder)).length).toBeGreaterThan(10);
    const source: RowSource = { types: [], allowed: [], dialect: {}, ...spooled };
    const { convert: _convert, ...byDuckDB } = source;
    const columns = [{ name: 'id', type: 'bigint', header: 'id' }, { name: 'note', type: 'text', header: 'note' }, { name: 'nothing', type: 'text', header: 'nothing' }] as const; // prettier-ignore
    await withDuckDB({ folder, extraMemoryMb: 0 }, async (duckdb) => {
      const read = async (from: RowSource, fromRow: number): Promise<unknown> => {
        const found = { lines: [] as string[], faults: [] as RowFault[], numbers: [] as number[] };
        for await (const chunk of readChunks(duckdb, from, columns, { file: 'a.json', fromRow, maxRows: 700 })) {
          found.lines.push(...linesOf(chunk));
          found.faults.push(...chunk.faults);
          found.numbers.push(...chunk.rowNumbers);
        }
        return found;
      };
      const good = Array.from({ length: rows }, (_, index) => index + 1).filter((row) => !isFault(row));
      for (const fromRow of [1, 2, 1_500, 5_000]) {
        const numbers = good.filter((row) => row >= fromRow);
        const expected = {
          numbers,
          lines: numbers.map((row) => `${row}\t${row}\t"one"\\nof ${row}\t\\N`),
          faults: faults.filter(({ row }) => row >= fromRow),
        };
        expect(await read(source, fromRow)).toEqual(expected);
        expect(await read(byDuckDB, fromRow)).toEqual(expected);
      }
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
