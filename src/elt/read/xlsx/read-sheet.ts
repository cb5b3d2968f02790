import { dateText } from './number-format.js';
import type { Workbook } from './open-workbook.js';
import type { WorkbookParts } from './workbook-parts.js';

export type CellKind = 'string' | 'number' | 'boolean' | 'date';

export interface Cell {
  /** Counts from 0 for column A. */
  readonly column: number;
  readonly kind: CellKind;
  readonly text: string;
  /** Why it is no value: an error such as #DIV/0!, a date that is none. */
  readonly fault?: string;
}

const MAX_CELL_CHARACTERS = 16 << 20;
const MAX_COLUMN = 16_383;

/**
 * Gives the cells of a sheet that hold something, row by row; numbers as they are written, dates and times by their format, formulas as they
 * were last computed. O(file) time, memory of one row.
 *
 * @param onRow takes the number of the row in the sheet, from 1, and its cells in the order of columns
 */
export async function readSheet(
  parts: WorkbookParts,
  workbook: Workbook,
  onRow: (row: number, cells: readonly Cell[]) => void,
  onChunk?: () => Promise<void>,
): Promise<void> {
  let row = 0;
  let column = -1;
  let cells: Cell[] = [];
  let cell: { readonly type: string; readonly style: number } | undefined;
  let text = '';
  let hasText = false;
  let isText = false;
  let readings = 0;
  await parts.read(workbook.sheet, {
    onOpen(name, attributes) {
      if (name === 'row') {
        const given = Number(attributes['r'] ?? row + 1);
        if (!(given > row)) throw new Error(`row ${attributes['r']} stands behind row ${row}`);
        row = given;
        column = -1;
        cells = [];
      } else if (name === 'c') {
        const { r: place, t: type = 'n', s: style = '0' } = attributes;
        const given = place === undefined ? column + 1 : columnOf(place);
        if (!(given > column && given <= MAX_COLUMN)) throw new Error(`row ${row} has a cell at ${place ?? given}`);
        column = given;
        cell = { type, style: Number(style) };
        text = '';
        hasText = false;
      } else if (name === 'rPh') readings++;
      isText = cell !== undefined && (name === 'v' || name === 't') && readings === 0;
      if (isText) hasText = true;
    },
    onText(piece) {
      if (!isText) return;
      text += piece;
      if (text.length > MAX_CELL_CHARACTERS) throw new Error(`a cell of row ${row} has more than 16 MiB`);
    },
    onClose(name) {
      isText = false;
      if (name === 'rPh') readings--;
      else if (name === 'c' && cell !== undefined) {
        if (hasText) cells.push({ column, ...valueOf(cell.type, cell.style, text, workbook) });
        cell = undefined;
      } else if (name === 'row' && cells.length > 0) onRow(row, cells);
    },
    ...(onChunk !== undefined && { onChunk }),
  });
}

/** `AB` of `AB12` → 27; NaN for what names no cell. */
export function columnOf(place: string): number {
  const [, letters = ''] = /^([A-Z]{1,3})\d*$/i.exec(place) ?? [];
  if (letters === '') return NaN;
  return [...letters.toUpperCase()].reduce((sum, letter) => 26 * sum + letter.charCodeAt(0) - 64, 0) - 1;
}

function valueOf(type: string, style: number, raw: string, workbook: Workbook): Omit<Cell, 'column'> {
  switch (type) {
    case 's': {
      const text = workbook.strings[Number(raw)];
      if (text === undefined) throw new Error(`a cell names text ${raw}, which is not there`);
      return stringCell(text);
    }
    case 'str':
    case 'inlineStr':
      return stringCell(raw);
    case 'b':
      return { kind: 'boolean', text: raw.trim() === '1' || raw.trim() === 'true' ? 'true' : 'false' };
    case 'e':
      return { kind: 'string', text: raw, fault: `holds the error ${raw}` };
    case 'd':
      return { kind: 'date', text: raw.trim().replace('T', ' ').replace(/Z$/, '') };
    default: {
      const number = raw.trim();
      const format = workbook.formats[style] ?? 'number';
      if (format === 'number') return { kind: 'number', text: number };
      const date = dateText(Number(number), format, workbook.is1904);
      if (date !== undefined) return { kind: 'date', text: date };
      return { kind: 'date', text: number, fault: `has the format of a date or a time, but ${number} is none` };
    }
  }
}

/** Characters that XML cannot hold stand as _x0007_; an underscore that looks like one as _x005F_. */
function stringCell(raw: string): Omit<Cell, 'column'> {
  const text = raw.includes('_x')
    ? raw.replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    : raw;
  if (!/[\0\p{Surrogate}]/u.test(text)) return { kind: 'string', text };
  return {
    kind: 'string',
    text,
    fault: 'holds a NUL character or half a surrogate pair, which PostgreSQL cannot store',
  };
}
