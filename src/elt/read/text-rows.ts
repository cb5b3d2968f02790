import { byteCheck } from '../schema/byte-checks.js';
import type { LoadColumn } from '../schema/column.js';
import type { CsvDialect } from './csv-record.js';
import { RowBlocks } from './row-blocks.js';
import type { RowWriter } from './row-writer.js';
import { unquote, unquoted } from './unquote.js';

const SPACE = 32;
const BACKSLASH = 92;
/** What COPY writes for a byte, behind a backslash; 0 for a byte that stands for itself. */
const ESCAPES = new Uint8Array(256);
ESCAPES[BACKSLASH] = BACKSLASH;
ESCAPES[9] = 116; // t
ESCAPES[10] = 110; // n
ESCAPES[13] = 114; // r

/** Lines of COPY's text format: the load's id if there is one, the row number, the values. */
export function writeTextRows(
  columns: readonly LoadColumn[],
  { delimiter, quote }: CsvDialect,
  loadId: string | undefined,
): RowWriter {
  const prefix = Buffer.from(loadId === undefined ? '' : `${loadId}\t`);
  const checks = columns.map(({ type }) => (type === 'text' ? undefined : byteCheck(type)));
  const blocks = new RowBlocks();

  return {
    write(input, start, end, row) {
      // At worst each byte is escaped and each value is \N.
      const most = 2 * (end - start) + 3 * columns.length + 24 + prefix.length;
      blocks.makeRoom(most);
      const { block, at: lineStart } = blocks;
      let place = lineStart;
      let misfit: number | undefined;
      for (let byte = 0; byte < prefix.length; byte++) block[place++] = prefix[byte]!;
      place = writeNumber(block, place, row);
      let index = start;
      for (let column = 0; ; column++) {
        const check = checks[column];
        block[place++] = 9;
        let opening = index;
        while (opening < end && input[opening] === SPACE) opening++;
        let isSound = true;
        if (opening < end && input[opening] === quote) {
          const from = opening + 1;
          let hasMarks = false;
          for (index = from; index < end; index++) {
            const byte = input[index]!;
            if (byte === quote) {
              if (index + 1 >= end || input[index + 1] !== quote) break;
              hasMarks = true;
              index++;
            }
            const escape = ESCAPES[byte]!;
            if (escape !== 0) block[place++] = BACKSLASH;
            block[place++] = escape !== 0 ? escape : byte;
          }
          if (check !== undefined)
            isSound = hasMarks ? check(unquoted, 0, unquote(input, from, index, quote!)) : check(input, from, index);
          while (index < end && input[index] !== delimiter) index++;
        } else {
          const from = index;
          for (; index < end; index++) {
            const byte = input[index]!;
            if (byte === delimiter) break;
            const escape = ESCAPES[byte]!;
            if (escape !== 0) block[place++] = BACKSLASH;
            block[place++] = escape !== 0 ? escape : byte;
          }
          if (index === from) {
            block[place++] = BACKSLASH;
            block[place++] = 78; // N
          } else if (check !== undefined) isSound = check(input, from, index);
        }
        if (!isSound) misfit ??= column;
        if (index < end && column + 1 < columns.length) index++;
        else {
          if (index < end || column + 1 !== columns.length) misfit = columns.length;
          break;
        }
      }
      if (misfit === undefined) block[place++] = 10;
      blocks.at = misfit === undefined ? place : lineStart;
      return misfit;
    },
    bytes: () => blocks.bytes,
    take: () => ({ blocks: blocks.take() }),
  };
}

/** Decimal digits of a whole number above 0. */
function writeNumber(block: Buffer, at: number, value: number): number {
  let end = at;
  for (let rest = value; rest >= 1; rest = Math.floor(rest / 10)) end++;
  for (let index = end - 1, rest = value; index >= at; index--, rest = Math.floor(rest / 10))
    block[index] = 48 + (rest % 10);
  return end;
}
