import { TerminalError } from '../../errors.js';
import type { XlsxOptions } from '../../model/project.js';
import type { CsvSpool } from './csv-spool.js';
import { headerOnly } from './empty-file.js';
import { FaultList } from './fault-list.js';
import { LineIndex } from './line-index.js';
import { keptText, type RowFault } from './row-fault.js';
import type { RowSource } from './row-source.js';
import { spoolRows, type SpooledRows } from './spool-rows.js';
import { openWorkbook } from './xlsx/open-workbook.js';
import { columnOf, readSheet, type Cell, type CellKind } from './xlsx/read-sheet.js';
import { withWorkbookParts } from './xlsx/workbook-parts.js';

/**
 * Makes a CSV file of one sheet in `folder`. The header is the first row that holds something, or the one that is said; a row without any value is no row. A row
 * with an error, a date that is none, or a value beside the header's columns is a fault. Text cells are never taken for numbers.
 * Throws `ELT_XLSX_BROKEN`, `ELT_XLSX_SHEET`, `ELT_FILE_BOMB`, `ELT_FILE_EMPTY`, `ELT_FILE_HEADER_ONLY`; a retry does not help.
 */
export async function openXlsx(
  path: string,
  file: string,
  folder: string,
  options: XlsxOptions = {},
  tolerance = 0,
  signal?: AbortSignal,
): Promise<RowSource> {
  const bounds = boundsOf(options);
  const lines = new LineIndex();
  const faults = new FaultList(file);
  let header: { readonly from: number; readonly names: readonly string[] } | undefined;
  let kinds: Record<CellKind, number>[] = [];
  let rows = 0;

  const take = (spool: CsvSpool, line: number, all: readonly Cell[]): void => {
    if (line < bounds.fromRow || line > bounds.toRow) return;
    const cells = all.filter(({ column }) => column >= bounds.fromColumn && column <= bounds.toColumn);
    if (cells.length === 0) return;
    if (header === undefined) {
      const from = options.range === undefined ? cells[0]!.column : bounds.fromColumn;
      const names = new Array<string>(cells.at(-1)!.column - from + 1).fill('');
      for (const { column, text } of cells) names[column - from] = text;
      header = { from, names };
      kinds = names.map(() => ({ string: 0, number: 0, boolean: 0, date: 0 }));
      return;
    }
    const { from, names } = header;
    const row = ++rows;
    lines.add(row, line);
    const values = new Array<string | null>(names.length).fill(null);
    let wrong: Pick<RowFault, 'column' | 'value' | 'reason'> | undefined;
    for (const { column, text, kind, fault } of cells) {
      const name = names[column - from];
      if (name === undefined)
        wrong ??= { column: null, value: keptText(text), reason: `column ${lettersOf(column)} has no header` };
      else if (fault !== undefined) wrong ??= { column: name, value: keptText(text), reason: fault };
      else {
        values[column - from] = text;
        kinds[column - from]![kind]++;
      }
    }
    if (wrong === undefined) spool.addRow(values);
    else faults.add({ row, line, ...wrong, raw: keptText(JSON.stringify(cells.map(({ text }) => text))) });
  };

  const write = async (spool: CsvSpool): Promise<SpooledRows> => {
    await withWorkbookParts(
      path,
      file,
      async (parts) => {
        const workbook = await openWorkbook(parts, file, options.sheet);
        await readSheet(
          parts,
          workbook,
          (line, cells) => take(spool, line, cells),
          () => spool.drain(),
        );
      },
      signal,
    );
    if (header === undefined) throw withoutCells(file);
    if (rows === 0) throw headerOnly(file);
    return { headers: header.names, rows, faults: faults.all, lines };
  };
  const spooled = await spoolRows(folder, file, write, signal);
  return {
    ...spooled,
    types: kinds.map((counts) => (isOnly(counts, 'boolean') ? 'boolean' : undefined)),
    allowed: kinds.map((counts) =>
      counts.string > tolerance * totalOf(counts) ? ['date', 'timestamp', 'timestamptz', 'text'] : undefined,
    ),
    dialect: { format: 'xlsx', ...options },
  };
}

function withoutCells(file: string): TerminalError {
  return new TerminalError(
    'ELT_FILE_EMPTY',
    `Reading ${file} failed: the sheet has no cells where rows are expected.`,
    {
      at: { file },
      next: 'Correct `xlsx.sheet`, `xlsx.range` or `xlsx.header_row` of the resource. The table keeps its former rows.',
    },
  );
}

interface Bounds {
  readonly fromRow: number;
  readonly toRow: number;
  readonly fromColumn: number;
  readonly toColumn: number;
}

/** `B3:F100`, `B:F` or `3:100`; the header row cuts off what is above it. */
function boundsOf({ range = '', headerRow = 1 }: XlsxOptions): Bounds {
  const [from = '', to = ''] = range.split(':');
  const rowOf = (place: string): number => Number(/\d+$/.exec(place)?.[0]);
  const fromColumn = columnOf(from);
  const toColumn = columnOf(to);
  return {
    fromRow: Math.max(rowOf(from) || 1, headerRow),
    toRow: rowOf(to) || Infinity,
    fromColumn: Number.isNaN(fromColumn) ? 0 : fromColumn,
    toColumn: Number.isNaN(toColumn) ? Infinity : toColumn,
  };
}

function totalOf(counts: Readonly<Record<CellKind, number>>): number {
  return counts.string + counts.number + counts.boolean + counts.date;
}

function isOnly(counts: Readonly<Record<CellKind, number>>, kind: CellKind): boolean {
  return counts[kind] > 0 && counts[kind] === totalOf(counts);
}

function lettersOf(column: number): string {
  return column < 0
    ? ''
    : lettersOf(Math.floor(column / 26) - 1) + String.fromCharCode(65 + (column % 26));
} // prettier-ignore
