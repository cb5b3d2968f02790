import { classOfBytes } from '../schema/class-of-bytes.js';
import { CLASSES, readClassCounts, type ClassCounts } from '../schema/infer-types.js';
import type { ByteSource } from './open-bytes.js';
import { readRecords } from './read-records.js';
import type { CsvScan } from './scan-csv.js';

const MISSING = CLASSES.indexOf('missing');
const CODE = CLASSES.indexOf('code');
const OTHER = CLASSES.indexOf('other');
const SPACE = 32;

/**
 * How many values of each of the columns at `positions` of a clean CSV file fall into each class, in one pass over its bytes. A column is
 * text from its first code on, or from more words than the share `tolerance` of all rows, and the rest of it is not looked at.
 * O(bytes) time, O(longest record) memory.
 */
export async function classifyCsv(
  source: ByteSource,
  scan: Pick<CsvScan, 'dialect' | 'hasHeader' | 'multiLine' | 'rows'>,
  positions: readonly number[],
  tolerance: number,
  signal?: AbortSignal,
): Promise<ClassCounts[]> {
  const { delimiter, quote } = scan.dialect;
  const columns = Math.max(-1, ...positions) + 1;
  const counts = Array.from({ length: columns }, () => new Array<number>(CLASSES.length).fill(0));
  const isOpen = new Uint8Array(columns);
  for (const position of positions) isOpen[position] = 1;
  const mostOthers = scan.rows * tolerance;
  const add = (column: number, found: number): void => {
    const count = ++counts[column]![found]!;
    if (found === CODE || (found === OTHER && count > mostOthers)) isOpen[column] = 0;
  };

  const take = (buffer: Buffer, start: number, end: number): undefined => {
    let index = start;
    for (let column = 0; column < columns; column++, index++) {
      let opening = index;
      while (opening < end && buffer[opening] === SPACE) opening++;
      if (opening < end && buffer[opening] === quote) {
        const from = opening + 1;
        let hasMarks = false;
        for (index = from; index < end; index++) {
          if (buffer[index] !== quote) continue;
          if (index + 1 >= end || buffer[index + 1] !== quote) break;
          hasMarks = true;
          index++;
        }
        // A value with a quotation mark in it is no number, date or word.
        if (isOpen[column] === 1) add(column, hasMarks ? OTHER : classOfBytes(buffer, from, index));
        while (index < end && buffer[index] !== delimiter) index++;
      } else {
        const from = index;
        while (index < end && buffer[index] !== delimiter) index++;
        if (isOpen[column] === 1) add(column, index === from ? MISSING : classOfBytes(buffer, from, index));
      }
    }
  };
  for await (const _ of readRecords(source, scan, take, signal));
  return positions.map((position) => readClassCounts(counts[position]!));
}
