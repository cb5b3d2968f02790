import { PassThrough } from 'node:stream';
import { expect, inject, test } from 'vitest';
import { nullCounter } from '../../../src/elt/postgres/count-nulls.js';
import { openDatabase } from '../../../src/storage/database.js';

test('counts the NULLs of a binary COPY, wherever its blocks are cut', async () => {
  const database = openDatabase({ url: inject('postgresUrl') });
  const blocks: Buffer[] = [];
  const sink = new PassThrough().on('data', (block: Buffer) => blocks.push(block));
  const rows = `SELECT i, CASE WHEN i % 3 = 0 THEN i::text END AS a, NULL::integer AS b, CASE WHEN i % 2 = 0 THEN '' ELSE repeat('x', 300) END AS c
    FROM generate_series(1, 300) AS i`;
  await database.session((session) => session.copyTo(`COPY (${rows}) TO STDOUT (FORMAT binary)`, sink));
  await database.close();
  const stream = Buffer.concat(blocks);
  for (const size of [1, 2, 3, 7, 64, 1_000, stream.length]) {
    const counter = nullCounter(4);
    for (let at = 0; at < stream.length; at += size) counter.take(stream.subarray(at, at + size));
    expect([size, ...counter.nulls()]).toEqual([size, 0, 200, 300, 0]);
  }
});
