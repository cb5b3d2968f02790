import { TerminalError } from '../errors.js';
import type { ModelSignature } from '../model/signature.js';
import type { ColumnTable } from '../table/column-table.js';
import type { InputColumn } from './onnx-model.js';
import { plural } from '../model/plural.js';

/**
 * The graph's inputs for rows `from` (inclusive) to `to` (exclusive) of a table, in the signature's order. Numbers and times
 * are rounded to float32, missing stays NaN; missing text becomes ''.
 *
 * @throws TerminalError `DEPLOY_ONNX_SIGNATURE` when a column is not there or of the other kind
 */
export function tableToColumns(
  signature: ModelSignature,
  table: ColumnTable,
  from = 0,
  to = table.rowCount,
): InputColumn[] {
  return signature.inputs.map((input) => {
    const column = table.columns.get(input.name);
    const expected = input.datatype === 'BYTES' ? 'text' : 'number';
    const received = column === undefined ? 'no such column' : column.kind === 'text' ? 'text' : 'number';
    if (column === undefined || received !== expected) {
      throw new TerminalError(
        'DEPLOY_ONNX_SIGNATURE',
        `Reading input ${JSON.stringify(input.name)} from a table of ${table.rowCount} ${plural(table.rowCount, 'row')} failed: got ${received}, expected ${expected}.`,
        { details: { input: input.name, received, expected } },
      );
    }
    return column.kind === 'text'
      ? column.values.slice(from, to).map((value) => value ?? '')
      : Float32Array.from(column.values.subarray(from, to));
  });
}
