import type { Pace } from './pace.js';

/** Numbers of the rows that `keep` names, ascending. */
export async function findRows(rowCount: number, keep: (row: number) => boolean, pace: Pace): Promise<Int32Array> {
  const rows = new Int32Array(rowCount);
  let length = 0;
  await pace.overRows(rowCount, (from, to) => {
    for (let row = from; row < to; row++) if (keep(row)) rows[length++] = row;
  });
  return rows.slice(0, length);
}
