import { literal } from '../../model/sql-identifier.js';
import type { CsvDialect } from './csv-record.js';
import type { Compression } from './inspect-bytes.js';
import type { CsvScan } from './scan-csv.js';

// DuckDB's own limit is 2,097,152 bytes a line, and it holds about 16 buffers of that size.
const USUAL_LINE_BYTES = 1_900_000;

/**
 * What stands behind FROM for DuckDB to read a CSV file, every column as text.
 *
 * @param path of the file, or of the files that it is, one after the other
 */
export function readCsv(
  path: string | readonly string[],
  scan: Pick<CsvScan, 'headers' | 'longestRecordBytes' | 'multiLine'>,
  options: {
    readonly dialect: CsvDialect;
    readonly header: boolean;
    readonly compression: Compression;
    readonly newLine: '\n' | '\r\n';
  },
): string {
  const { dialect } = options;
  const quote = dialect.quote === undefined ? '' : String.fromCharCode(dialect.quote);
  const columns = scan.headers.map((_, index) => `'c${index}': 'VARCHAR'`).join(', ');
  const settings = [
    typeof path === 'string' ? literal(path) : `[${path.map(literal).join(', ')}]`,
    'auto_detect = false',
    `header = ${options.header}`,
    `delim = ${literal(String.fromCharCode(dialect.delimiter))}`,
    `quote = ${literal(quote)}`,
    `escape = ${literal(quote)}`,
    `comment = ''`,
    // Guessed, it goes by the first line end, which may lie in a quoted value.
    `new_line = '${options.newLine === '\n' ? '\\n' : '\\r\\n'}'`,
    `nullstr = ''`,
    'allow_quoted_nulls = false',
    `compression = '${options.compression}'`,
    'hive_partitioning = false',
    `columns = {${columns}}`,
    // Several threads may cut the file inside a value that holds line ends.
    `parallel = ${!scan.multiLine}`,
  ];
  if (scan.longestRecordBytes > USUAL_LINE_BYTES) settings.push(`max_line_size = ${2 * scan.longestRecordBytes}`);
  return `read_csv(${settings.join(', ')})`;
}

/** Beyond the usual, for the buffers of a file with long lines. */
export function extraMemoryMb(longestRecordBytes: number): number {
  return longestRecordBytes > USUAL_LINE_BYTES ? Math.ceil((40 * longestRecordBytes) / 1e6) : 0;
}
