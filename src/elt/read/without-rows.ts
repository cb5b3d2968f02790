import { TerminalError } from '../../errors.js';
import type { RowSource } from './row-source.js';

/** Whether a file could not be read because there is no row in it. */
export function isWithoutRows(error: unknown): boolean {
  return error instanceof TerminalError && (error.code === 'ELT_FILE_EMPTY' || error.code === 'ELT_FILE_HEADER_ONLY');
}

/** A file that may have no row and has none: it says nothing of columns either, whose types no value shows. */
export function withoutRows(file: string): RowSource {
  return {
    headers: [],
    relation: '(SELECT 1 WHERE false)',
    types: [],
    allowed: [],
    rows: 0,
    faults: [],
    lineOf: () => null,
    extraMemoryMb: 0,
    dialect: { format: 'empty' },
    notices: [`${file} has no rows.`],
  };
}
