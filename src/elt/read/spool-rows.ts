import { convertInThread } from './convert-in-thread.js';
import { classifyCsv } from './classify-csv.js';
import { QUOTE, type CsvDialect } from './csv-record.js';
import { CsvSpool } from './csv-spool.js';
import type { LineIndex } from './line-index.js';
import type { ByteSource } from './open-bytes.js';
import { extraMemoryMb, readCsv } from './open-csv.js';
import type { RowFault } from './row-fault.js';
import type { RowSource } from './row-source.js';

const SPOOLED: CsvDialect = { delimiter: 44, quote: QUOTE, lineEnd: 10 };

/**
 * Has rows written into `folder` as a clean CSV file, and says how it is read.
 *
 * @param scan of the source: what it is called, its columns, its rows with the faulty ones, and those, which are not written
 * @param write adds a value for each header, row by row
 * @param mostPartBytes see `CsvSpool`
 */
export async function spoolRows(
  folder: string,
  scan: {
    readonly file: string;
    readonly headers: readonly string[];
    readonly rows: number;
    readonly faults: readonly RowFault[];
    readonly lines: LineIndex;
  },
  write: (spool: CsvSpool) => Promise<unknown>,
  signal?: AbortSignal,
  mostPartBytes?: number,
): Promise<Pick<RowSource, 'relation' | 'extraMemoryMb' | 'convert' | 'classify' | 'rows' | 'faults' | 'lineOf'>> {
  const { file, headers, rows, faults, lines } = scan;
  const spool = new CsvSpool(folder, mostPartBytes);
  try {
    await write(spool);
    const { paths, multiLine, longestRecordBytes } = await spool.end();
    const [path, ...further] = paths;
    const source: ByteSource = { path: path!, further, file, compression: 'none', encoding: 'utf-8' };
    const shape = { dialect: SPOOLED, hasHeader: false, multiLine, rows, lines };
    return {
      relation: readCsv(
        paths,
        { headers, longestRecordBytes, multiLine },
        { dialect: SPOOLED, header: false, compression: 'none', newLine: '\n' },
      ),
      extraMemoryMb: extraMemoryMb(longestRecordBytes),
      convert: (columns, options) => convertInThread(source, shape, columns, options),
      classify: (positions, tolerance) => classifyCsv(source, shape, positions, tolerance, signal),
      rows,
      faults,
      lineOf: (row) => lines.lineOf(row),
    };
  } finally {
    await spool.close();
  }
}
