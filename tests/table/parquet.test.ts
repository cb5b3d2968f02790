import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readParquet } from '../../src/table/parquet.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-parquet-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(sql: string): Promise<string> {
  const path = join(folder, 'table.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 20480)`);
  connection.closeSync();
  instance.closeSync();
  return path;
}

describe('readParquet', () => {
  it('keeps the order of the rows over many chunks and row groups', async () => {
    const path = await write(
      `SELECT i AS number, 'row ' || i AS text, CASE WHEN i % 3 > 0 THEN i / 4 END AS sparse FROM range(100001) AS rows(i)`,
    );
    const { rowCount, columns } = await readParquet(path);
    expect(rowCount).toBe(100_001);
    const numbers = columns.get('number')!.values;
    const texts = columns.get('text')!.values;
    const sparse = columns.get('sparse')!.values;
    const wrong = Array.from({ length: rowCount }, (_row, row) => row).filter(
      (row) =>
        numbers[row] !== row || texts[row] !== `row ${row}` || !Object.is(sparse[row], row % 3 > 0 ? row / 4 : NaN),
    );
    expect(wrong).toEqual([]);
  });

  it('reads times as milliseconds UTC, booleans as 0 and 1, and missing values', async () => {
    const path = await write(
      `SELECT * FROM (VALUES (TIMESTAMP '1970-01-02 00:00:00.5', true, 'a', 1.5::DECIMAL(4, 2)), (NULL, NULL, NULL, NULL)) AS rows("at", flag, text, price)`,
    );
    expect(await readParquet(path)).toEqual({
      rowCount: 2,
      columns: new Map([
        ['at', { kind: 'time', values: Float64Array.of(86_400_500, NaN) }],
        ['flag', { kind: 'number', values: Float64Array.of(1, NaN) }],
        ['text', { kind: 'text', values: ['a', null] }],
        ['price', { kind: 'number', values: Float64Array.of(1.5, NaN) }],
      ]),
    });
  });

  it('reads no rows', async () => {
    const { rowCount, columns } = await readParquet(await write('SELECT 1 AS a WHERE false'));
    expect([rowCount, columns.get('a')]).toEqual([0, { kind: 'number', values: new Float64Array(0) }]);
  });
});
