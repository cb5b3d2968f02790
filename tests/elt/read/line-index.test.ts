import { expect, test } from 'vitest';
import { LineIndex } from '../../../src/elt/read/line-index.js';

test('every row has its line, whatever the lines between', () => {
  for (const stepOf of [() => 1, () => 7, (row: number) => 1 + (row % 3), (row: number) => (row % 1_000 === 0 ? 70_000 : 255)]) {
    const index = new LineIndex();
    const lines: number[] = [];
    let line = 2;
    for (let row = 1; row <= 10_000; row++) {
      index.add(row, line);
      lines.push(line);
      line += stepOf(row);
    }
    const copy = new LineIndex(structuredClone(index.found()));
    for (const row of [1, 2, 3, 999, 1_001, 4_095, 4_096, 4_097, 8_192, 8_193, 10_000])
      expect([index.lineOf(row), copy.lineOf(row)]).toEqual([lines[row - 1], lines[row - 1]]);
  }
}); // prettier-ignore
