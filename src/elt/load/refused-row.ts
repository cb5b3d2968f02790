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
  static from(error: unknown, chunk: RowChunk, columns: readonly LoadColumn[]): RefusedRow | undefined {
    const { code, where, message } = error as { code?: unknown; where?: unknown; message?: unknown };
    // Class 22 data exception, 54 program limit: https://www.postgresql.org/docs/current/errcodes-appendix.html
    if (typeof code !== 'string' || !/^(22|54)/.test(code) || typeof where !== 'string') return undefined;
    const place = /\bCOPY .*?, line (\d+)(?:, column (.*?)(?:: |$))?/s.exec(where);
    const row = chunk.rowNumbers[Number(place?.[1]) - 1];
    const line = lineAt(chunk, Number(place?.[1]) - 1);
    if (row === undefined || line === undefined) return undefined;
    const position = columns.findIndex(({ name }) => name === place?.[2]);
    const value = line.split('\t')[position + 1];
    return new RefusedRow(
      {
        row,
        line: null,
        column: columns[position]?.name ?? null,
        value: position === -1 || value === undefined ? null : keptText(value),
        reason: `PostgreSQL: ${String(message)}`,
        raw: keptText(line),
      },
      error,
    );
  }
}
