import { convertInThread } from './convert-in-thread.js';
import { classifyCsv } from './classify-csv.js';
import { QUOTE, type CsvDialect } from './csv-record.js';
import { CsvSpool } from './csv-spool.js';
import type { LineIndex } from './line-index.js';
import type { ByteSource } from './open-bytes.js';
import { extraMemoryMb, readCsv } from './read-csv.js';
import type { RowFault } from './row-fault.js';
import type { RowSource } from './row-source.js';

const SPOOLED: CsvDialect = { delimiter: 44, quote: QUOTE, lineEnd: 10 };

/** How it is read. */
export type Spooled = Pick<
  RowSource,
  'headers' | 'relation' | 'extraMemoryMb' | 'convert' | 'classify' | 'rows' | 'faults' | 'lineOf' | 'lines'
>;

/** What a source holds, as far as its reader says. */
export interface SpooledRows {
  readonly headers: readonly string[];
  /** The faulty ones included. */
  readonly rows: number;
  /** They are not written. */
  readonly faults: readonly RowFault[];
  readonly lines: LineIndex;
}

/**
 * Has rows written into `folder` as a clean CSV file, and says how it is read.
 *
 * @param file what the user calls the source
 * @param write adds a value for each header, row by row
 * @param mostPartBytes see `CsvSpool`
 */
export async function spoolRows(
  folder: string,
  file: string,
  write: (spool: CsvSpool) => Promise<SpooledRows>,
  signal?: AbortSignal,
  mostPartBytes?: number,
): Promise<Spooled> {
  const spool = new CsvSpool(folder, mostPartBytes);
  try {
    const { headers, rows, faults, lines } = await write(spool);
    const { paths, multiLine, longestRecordBytes } = await spool.end();
    const [path, ...further] = paths;
    const source: ByteSource = { path: path!, further, file, compression: 'none', encoding: 'utf-8' };
    const shape = { dialect: SPOOLED, hasHeader: false, multiLine, rows, lines };
    return {
      headers,
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
      lines,
    };
  } finally {
    await spool.close();
  }
}
