import { TerminalError } from '../../errors.js';
import { byteCheck, type ByteCheck } from '../schema/byte-checks.js';
import type { LoadColumn } from '../schema/column.js';
import { expectation } from '../schema/type-rules.js';
import { fieldsOf, type CsvDialect } from './csv-record.js';
import type { ByteSource } from './open-bytes.js';
import { readRecords } from './read-records.js';
import { MAX_CHUNK_BYTES, type ChunkOptions, type RowChunk } from './row-chunk.js';
import { keptText, type RowFault } from './row-fault.js';
import type { CsvScan } from './scan-csv.js';
import { plural } from '../../model/plural.js';

/**
 * The rows of a clean CSV file from `options.fromRow` on: each value checked and written in COPY's text format byte by byte,
 * without becoming a string. O(bytes) time, O(chunk) memory.
 * Throws `ELT_FILE_MALFORMED` when the rows are not those of the scan; a retry does not help.
 */
export async function* convertCsv(
  source: ByteSource,
  scan: Pick<CsvScan, 'dialect' | 'hasHeader' | 'rows' | 'lines' | 'multiLine'>,
  columns: readonly LoadColumn[],
  options: ChunkOptions,
): AsyncGenerator<RowChunk> {
  const { dialect, lines } = scan;
  const converter = createConverter(columns, dialect, options.loadId, source.content?.length);
  let chunk = emptyChunk(options.fromRow);
  let row = 0;

  /** Takes the record between `start` and `end`; gives a chunk when one is full. */
  const take = (buffer: Buffer, start: number, end: number): RowChunk | undefined => {
    row++;
    if (row < options.fromRow) return undefined;
    const refused = options.refused?.get(row);
    if (refused !== undefined) chunk.faults.push({ ...refused, line: lines.lineOf(row) });
    else {
      const misfit = converter.convert(buffer, start, end, row);
      if (misfit === undefined) chunk.rowNumbers.push(row);
      else if (misfit < columns.length)
        chunk.faults.push(misfitOf(buffer.subarray(start, end), dialect, columns, misfit, row, lines.lineOf(row)));
      else throw otherRows(options.file, scan.rows, row - 1);
    }
    if (row + 1 - chunk.fromRow < options.maxRows && converter.bytes() < MAX_CHUNK_BYTES) return undefined;
    const full = { ...chunk, nextRow: row + 1, blocks: converter.takeBlocks() };
    chunk = emptyChunk(row + 1);
    return full;
  };

  yield* readRecords(source, scan, take, options.signal);
  if (row !== scan.rows) throw otherRows(options.file, scan.rows, row);
  if (row + 1 > chunk.fromRow) yield { ...chunk, nextRow: row + 1, blocks: converter.takeBlocks() };
}

function emptyChunk(fromRow: number): {
  fromRow: number;
  rowNumbers: number[];
  faults: RowFault[];
  discarded: ReadonlyMap<string, number>;
} {
  return { fromRow, rowNumbers: [], faults: [], discarded: NOTHING };
}

const NOTHING: ReadonlyMap<string, number> = new Map();

const SPACE = 32;
const BACKSLASH = 92;
const BLOCK_BYTES = 1 << 18;
/** What COPY writes for a byte, behind a backslash; 0 for a byte that stands for itself. */
const ESCAPES = new Uint8Array(256);
ESCAPES[BACKSLASH] = BACKSLASH;
ESCAPES[9] = 116; // t
ESCAPES[10] = 110; // n
ESCAPES[13] = 114; // r

interface Converter {
  /** Writes one row; undefined when it is sound, else the first column whose value is none of its type, or the number of columns when the row has others. */
  convert(input: Buffer, start: number, end: number, row: number): number | undefined;
  /** Written since the blocks were last taken. */
  bytes(): number;
  takeBlocks(): Buffer[];
}

function createConverter(
  columns: readonly LoadColumn[],
  { delimiter, quote }: CsvDialect,
  loadId: string | undefined,
  bytes = BLOCK_BYTES,
): Converter {
  const prefix = Buffer.from(loadId === undefined ? '' : `${loadId}\t`);
  const checks = columns.map(({ type }) => (type === 'text' ? undefined : byteCheck(type)));
  let blocks: Buffer[] = [];
  let blockBytes = 0;
  // Little of a small file: its block would be kept for the few bytes in it.
  const usual = Math.min(BLOCK_BYTES, 2 * bytes);
  let output = Buffer.allocUnsafe(usual);
  let at = 0;

  const closeBlock = (nextBytes: number): void => {
    if (at > 0) blocks.push(output.subarray(0, at));
    blockBytes += at;
    output = Buffer.allocUnsafe(Math.max(usual, nextBytes));
    at = 0;
  };

  return {
    convert(input, start, end, row) {
      // At worst each byte is escaped and each value is \N.
      const most = 2 * (end - start) + 3 * columns.length + 24 + prefix.length;
      if (output.length - at < most) closeBlock(most);
      // Copies of what the closure holds, which would be read from memory for every byte.
      const block = output;
      const lineStart = at;
      let place = at;
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
            isSound = hasMarks ? checkUnquoted(check, input, from, index, quote!) : check(input, from, index);
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
      at = misfit === undefined ? place : lineStart;
      return misfit;
    },
    bytes: () => blockBytes + at,
    takeBlocks() {
      closeBlock(0);
      const taken = blocks;
      blocks = [];
      blockBytes = 0;
      return taken;
    },
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

/** Holds one value without its doubled marks; what was checked in it is of no use afterwards. */
let unquoted = Buffer.allocUnsafe(1 << 12);

/** Checks what is between quotation marks and has doubled ones inside. */
function checkUnquoted(check: ByteCheck, input: Buffer, from: number, to: number, quote: number): boolean {
  if (unquoted.length < to - from) unquoted = Buffer.allocUnsafe(2 * (to - from));
  let length = 0;
  for (let index = from; index < to; index++) {
    const byte = input[index]!;
    unquoted[length++] = byte;
    if (byte === quote) index++;
  }
  return check(unquoted, 0, length);
}

function misfitOf(
  record: Buffer,
  dialect: CsvDialect,
  columns: readonly LoadColumn[],
  index: number,
  row: number,
  line: number,
): RowFault {
  const values = fieldsOf(record, dialect).map(({ text, quoted }) => (!quoted && text === '' ? null : text));
  const value = values[index] ?? null;
  const column = columns[index]!;
  return {
    row,
    line,
    column: column.name,
    value: value === null ? null : keptText(value),
    reason: `expected ${expectation(column.type)} (${column.type})`,
    raw: keptText(JSON.stringify(values)),
  };
}

function otherRows(file: string, counted: number, read: number): TerminalError {
  return new TerminalError(
    'ELT_FILE_MALFORMED',
    `Reading ${file} failed: ${counted} ${plural(counted, 'row was', 'rows were')} counted, ${read} could be read.`,
    { at: { file }, next: 'Check the quoting of the file around its multi-line values.' },
  );
}
