import { basename, dirname } from 'node:path';
import { TerminalError } from '../../errors.js';
import type { ColumnType } from '../../model/project.js';
import { withDuckDB } from '../read/duckdb.js';
import { openParquet, parquetFault } from '../read/open-parquet.js';
import type { RowSource } from '../read/row-source.js';

/**
 * Hands over the rows of a batch file in Parquet as JSON records, one after the other; a decimal has all of its digits, a time is a text.
 * Pages are unpacked as the file says. Throws SyntaxError when it is none.
 */
export async function readParquetBatch(
  path: string,
  onRecord: (record: Buffer, number: number) => void | Promise<void>,
): Promise<void> {
  const file = basename(path);
  let number = 0;
  try {
    await withDuckDB({ folder: dirname(path), extraMemoryMb: 128 }, async (open) => {
      const connection = await open();
      const source = await openParquet(connection, path, file);
      const result = await connection.stream(`SELECT * FROM ${source.relation}`);
      for (;;) {
        const batch = await result.fetchChunk();
        if (batch === null || batch.rowCount === 0) return;
        for (const row of batch.getRows() as (string | null)[][])
          await onRecord(Buffer.from(recordOf(source, row)), ++number);
      }
    });
  } catch (error) {
    const fault = parquetFault(error, file);
    const code = fault instanceof TerminalError ? fault.code : undefined;
    // A batch without records is one.
    if (code === 'ELT_FILE_HEADER_ONLY') return;
    throw code === 'ELT_FILE_MALFORMED'
      ? new SyntaxError((fault as TerminalError).message.replace(/\.$/, ''), { cause: error })
      : error;
  }
}

function recordOf({ headers, types }: RowSource, row: readonly (string | null)[]): string {
  const members = row.map((value, index) => `${JSON.stringify(headers[index])}:${jsonOf(value, types[index])}`);
  return `{${members.join(',')}}`;
}

const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/;

/** Numbers as they are written; NaN and infinities have no JSON number and are texts. */
function jsonOf(value: string | null, type: ColumnType | undefined): string {
  if (value === null) return 'null';
  if (type === 'jsonb' || type === 'boolean') return value;
  const isNumber = type === 'bigint' || type === 'double precision' || type?.startsWith('numeric') === true;
  return isNumber && NUMBER.test(value) ? value : JSON.stringify(value);
}
