import { TerminalError } from '../../errors.js';
import { placeOfRow, type RowFault } from './row-fault.js';

/** Of a value that does not fit a frozen type. */
export function frozen(fault: RowFault, file: string): TerminalError {
  const { row, line, column, value, reason } = fault;
  return new TerminalError(
    'ELT_CONTRACT',
    `Loading ${file} failed: ${placeOfRow(fault)}, column ${JSON.stringify(column)}: got ${JSON.stringify(value?.slice(0, 80))}, ${reason}, and \`contract.types\` is freeze.`,
    {
      at: { file, ...(line !== null && { line }) },
      details: { column, row },
      next: 'Correct the file, or give the column another type under `columns`, or set `contract: {types: evolve}`.',
    },
  );
}
