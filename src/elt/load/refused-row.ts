import { lineAt, type RowChunk } from '../read/row-chunk.js';
import { keptText, type RowFault } from '../read/row-fault.js';
import type { LoadColumn } from '../schema/column.js';

/** PostgreSQL refused one row that the reader took for good: a jsonb number out of range, a key too long for its page. */
export class RefusedRow extends Error {
  constructor(
    readonly fault: RowFault,
    cause: unknown,
  ) {
    super(`PostgreSQL refused row ${fault.row}`, { cause });
    this.name = 'RefusedRow';
  }

  /** The row that an error of COPY is about; undefined when the error is about something else. */
  static from(error: unknown, chunk: RowChunk, columns: readonly LoadColumn[]): RefusedRow | RefusedBinary | undefined {
    const place = refusedLine(error);
    if (place === undefined) return undefined;
    if (chunk.format === 'binary') return new RefusedBinary(error);
    const row = chunk.rowNumbers[place.line - 1];
    const line = lineAt(chunk, place.line - 1);
    if (row === undefined || line === undefined) return undefined;
    const position = columns.findIndex(({ name }) => name === place.column);
    const value = line.split('\t')[position + 1];
    return new RefusedRow(
      {
        row,
        line: null,
        column: columns[position]?.name ?? null,
        value: position === -1 || value === undefined ? null : keptText(value),
        reason: `PostgreSQL: ${(error as Error).message}`,
        raw: keptText(line),
      },
      error,
    );
  }
}

/** PostgreSQL refused a row of a binary COPY, which says which one but not how it was written: as text it is told again. */
export class RefusedBinary extends Error {
  constructor(cause: unknown) {
    super('PostgreSQL refused a row of a binary COPY', { cause });
    this.name = 'RefusedBinary';
  }
}

/** Which line of a COPY, counted from 1, and which column PostgreSQL refused; undefined when its error is about something else. */
export function refusedLine(
  error: unknown,
): { readonly line: number; readonly column: string | undefined } | undefined {
  const { code, where } = error as { code?: unknown; where?: unknown };
  // Class 22 data exception, 54 program limit: https://www.postgresql.org/docs/current/errcodes-appendix.html
  if (typeof code !== 'string' || !/^(22|54)/.test(code) || typeof where !== 'string') return undefined;
  const [, line, column] = /\bCOPY .*?, line (\d+)(?:, column (.*?)(?:: |$))?/s.exec(where) ?? [];
  return line === undefined ? undefined : { line: Number(line), column };
}
