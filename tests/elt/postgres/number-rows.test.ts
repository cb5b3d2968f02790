import { PassThrough } from 'node:stream';
import { afterAll, expect, inject, test } from 'vitest';
import { numberRows } from '../../../src/elt/postgres/number-rows.js';
import { openDatabase } from '../../../src/storage/database.js';

const database = openDatabase({ url: inject('postgresUrl') });
afterAll(() => database.close());

async function copied(select: string): Promise<Buffer> {
  const blocks: Buffer[] = [];
  const sink = new PassThrough().on('data', (block: Buffer) => blocks.push(block));
  await database.session((session) => session.copyTo(`COPY (${select}) TO STDOUT (FORMAT binary)`, sink));
  return Buffer.concat(blocks);
}

test('numbers the rows of a binary COPY as PostgreSQL would, and counts their NULLs, wherever its blocks are cut', async () => {
  const rows = `SELECT i, CASE WHEN i % 3 = 0 THEN i::text END AS a, NULL::integer AS b, CASE WHEN i % 2 = 0 THEN '' ELSE repeat('x', 300) END AS c
    FROM generate_series(1, 300) AS i`;
  const stream = await copied(rows);
  const expected = await copied(`SELECT (5::bigint << 32) + row_number() OVER (), r.* FROM (${rows}) AS r`);
  for (const size of [1, 2, 3, 7, 64, 1_000, stream.length]) {
    const numberer = numberRows(5, 4);
    const blocks: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) blocks.push(numberer.take(stream.subarray(at, at + size)));
    expect([size, Buffer.concat(blocks).equals(expected), ...numberer.nulls()]).toEqual([size, true, 0, 200, 300, 0]);
  }
});

test('a stream without a row stays as it is', async () => {
  const stream = await copied('SELECT 1 AS i WHERE false');
  expect(numberRows(0, 1).take(stream)).toEqual(stream);
});
