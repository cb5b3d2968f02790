import type { ColumnType } from '../../model/project.js';
import { keptText, type RowFault } from '../read/row-fault.js';
import { byteCheck, type ByteCheck } from '../schema/byte-checks.js';
import type { LoadColumn } from '../schema/column.js';
import { expectation } from '../schema/type-rules.js';
import type { RowCheck } from './describe-source.js';
import { PIECE_ROWS } from './number-rows.js';

/** Takes a stream of COPY's text format apart as it passes, and lets through what fits. */
export interface RowChecker {
  /** The whole rows of the block that fit, each with its number before it; what is left of a row comes with the next block. */
  readonly take: (block: Buffer) => Buffer;
  /** Whether the last row had its line end. */
  readonly isWhole: () => boolean;
  /** Values that were left out of the rows so far, by column. */
  readonly discarded: () => Readonly<Record<string, number>>;
}

const TAB = 9;
const LINE_END = 10;
const BACKSLASH = 92;
const NULL_FIELD = Buffer.from('\\N');

/**
 * Row 1 of a piece gets piece × 2³² + 1, and so on, whether it fits or not. A row with a value that does not fit its column's type goes
 * to `onFault`, or loses the value; a row with a value in a foreign column goes to `onFault`. All other fields stay the bytes that
 * PostgreSQL wrote. O(bytes).
 */
export function checkRows(
  piece: number,
  columns: readonly LoadColumn[],
  { columns: checked, misfits, foreign }: RowCheck,
  onFault: (fault: RowFault) => void,
): RowChecker {
  const checks = columns.map(({ name, type }) => {
    const from = checked.get(name);
    return from === undefined ? undefined : valueCheck(from, type);
  });
  const fields = columns.length + foreign.length;
  const discarded: Record<string, number> = {};
  let row = piece * PIECE_ROWS;
  let cut: Buffer[] = [];
  /** Where each field of the line begins, and one behind the line's end. */
  const starts = new Array<number>(fields + 1).fill(0);

  const fieldOf = (line: Buffer, index: number): Buffer | null =>
    plainField(line, starts[index]!, starts[index + 1]! - 1);

  const refuse = (line: Buffer, index: number): void => {
    const column = columns[index];
    // With its foreign values a row is none of the table's: it cannot be tried again as it is, which would lose them.
    const kept = column === undefined ? fields : columns.length;
    const values = Array.from({ length: kept }, (_, position) => fieldOf(line, position)?.toString() ?? null);
    onFault({
      row,
      line: null,
      column: column?.name ?? foreign[index - columns.length]!,
      value: keptText(fieldOf(line, index)?.toString() ?? ''),
      reason: column === undefined ? FOREIGN : reasonOf(checked.get(column.name)!, column.type),
      raw: keptText(JSON.stringify(values)),
    });
  };

  /** What goes on of a line. */
  const passed = (line: Buffer): Buffer[] => {
    row++;
    findFields(line, starts);
    const dropped: number[] = [];
    // First, whatever else is wrong: a row that is corrected must not lose such a value.
    for (let index = columns.length; index < fields; index++) {
      if (fieldOf(line, index) === null) continue;
      refuse(line, index);
      return [];
    }
    for (let index = 0; index < columns.length; index++) {
      const check = checks[index];
      if (check === undefined) continue;
      const field = fieldOf(line, index);
      if (field === null || check(field, 0, field.length)) continue;
      if (misfits === 'discard_row') {
        refuse(line, index);
        return [];
      }
      dropped.push(index);
    }
    const end = starts[columns.length]!;
    const parts: Buffer[] = [Buffer.from(`${row}\t`)];
    let from = 0;
    for (const index of dropped) {
      const { name } = columns[index]!;
      discarded[name] = (discarded[name] ?? 0) + 1;
      parts.push(line.subarray(from, starts[index]), NULL_FIELD);
      from = starts[index + 1]! - 1;
    }
    parts.push(line.subarray(from, end - 1), LINE);
    return parts;
  };

  return {
    isWhole: () => cut.length === 0,
    discarded: () => discarded,
    take(block) {
      const end = block.lastIndexOf(LINE_END) + 1;
      // The block is the connection's, which may write into it again.
      const rest: Buffer[] = end === block.length ? [] : [Buffer.from(block.subarray(end))];
      if (end === 0) {
        cut.push(...rest);
        return NOTHING;
      }
      const whole = block.subarray(0, end);
      const lines = cut.length === 0 ? whole : Buffer.concat([...cut, whole]);
      cut = rest;
      const parts: Buffer[] = [];
      for (let from = 0; from < lines.length;) {
        const next = lines.indexOf(LINE_END, from) + 1;
        parts.push(...passed(lines.subarray(from, next)));
        from = next;
      }
      return Buffer.concat(parts);
    },
  };
}

const NOTHING = Buffer.alloc(0);
const LINE = Buffer.from('\n');
const FOREIGN = 'the table does not have this column, and its contract takes no new ones';

/** Neither a tab nor a line end stands in a value: COPY writes them as `\t` and `\n`. */
function findFields(line: Buffer, starts: number[]): void {
  let from = 0;
  for (let index = 1; index < starts.length; index++) {
    const tab = index === starts.length - 1 ? line.length - 1 : line.indexOf(TAB, from);
    from = tab + 1;
    starts[index] = from;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** A value as it is without COPY's backslashes; null for NULL. */
function plainField(line: Buffer, from: number, to: number): Buffer | null {
  const field = line.subarray(from, to);
  if (!field.includes(BACKSLASH)) return field;
  if (field.equals(NULL_FIELD)) return null;
  // A byte a character, so that those of UTF-8 stay as they are.
  const text = field.toString('latin1').replace(/\\(.)/gs, (_, mark: string) => ESCAPES[mark] ?? mark);
  return Buffer.from(text, 'latin1');
}

function valueCheck(from: ColumnType, type: ColumnType): ByteCheck {
  const check = byteCheck(type);
  if (!isRounded(from, type)) return check;
  return (bytes, start, end) => check(bytes, start, end) && isDoubles(bytes.toString('latin1', start, end));
}

/** A double is near to every number; an exact one of the source has to be the number that the double is written as. */
function isRounded(from: ColumnType, type: ColumnType): boolean {
  return type === 'double precision' && (from === 'bigint' || from.startsWith('numeric'));
}

function isDoubles(text: string): boolean {
  const value = Number(text);
  return Number.isFinite(value) ? digitsOf(String(value)) === digitsOf(text) : /^(nan|-?infinity)$/i.test(text);
}

/** Sign, digits from the first to the last that is not zero, and where the point is: the same text for the same number. */
function digitsOf(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

function reasonOf(from: ColumnType, type: ColumnType): string {
  const expected = isRounded(from, type) ? 'a number that a double holds without rounding' : expectation(type);
  return `expected ${expected} (${type}); it is ${from} in the source`;
}
