import { TerminalError } from '../../errors.js';
import { isParquet } from './inspect-bytes.js';

export type FileFormat = 'csv' | 'json' | 'ndjson' | 'parquet' | 'singer' | 'xlsx';

/** The format declared, else by the name's ending (a `.gz` or `.zst` behind it aside), else Parquet by its first bytes. */
export function fileFormat(declared: FileFormat | 'auto', path: string, head: Buffer): FileFormat {
  if (declared !== 'auto') return declared;
  const name = plainName(path);
  if (/\.(csv|tsv|tab|psv|txt)$/.test(name)) return 'csv';
  if (/\.(ndjson|jsonl)$/.test(name)) return 'ndjson';
  // Either; its content says.
  if (name.endsWith('.json')) return 'json';
  if (/\.xls[xm]$/.test(name)) return 'xlsx';
  if (/\.(parquet|pq)$/.test(name) || isParquet(head)) return 'parquet';
  throw new TerminalError(
    'ELT_FORMAT_UNKNOWN',
    `Reading ${path} failed: its name does not tell the format; expected .csv, .tsv, .json, .ndjson, .jsonl, .parquet or .xlsx.`,
    {
      at: { file: path },
      next: 'Set `format: csv`, `json`, `ndjson`, `parquet` or `xlsx` at the source in plumbline.yaml.',
    },
  );
}

/** A path in small letters, without the query of a URL and the ending of a packed file. */
export function plainName(path: string): string {
  const name = /^https?:/i.test(path) ? path.replace(/[?#].*$/, '') : path;
  return name.toLowerCase().replace(/\.(gz|zst)$/, '');
}
