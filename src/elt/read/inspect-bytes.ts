import { TerminalError } from '../../errors.js';

/** How a file is packed; the names are DuckDB's too. */
export type Compression = 'none' | 'gzip' | 'zstd';

const GZIP = [0x1f, 0x8b];
const ZSTD = 0xfd2fb528;
const PARQUET = Buffer.from('PAR1');

/** By the first bytes of a file. */
export function compressionOf(head: Buffer): Compression {
  if (head[0] === GZIP[0] && head[1] === GZIP[1]) return 'gzip';
  if (head.length < 4) return 'none';
  const magic = head.readUInt32LE();
  // A file may begin with a frame for programs, as those of pzstd do.
  return magic === ZSTD || (magic & 0xfffffff0) === 0x184d2a50 ? 'zstd' : 'none';
}

export function isParquet(head: Buffer): boolean {
  return head.subarray(0, 4).equals(PARQUET);
}

/**
 * Refuses what cannot be UTF-8 text: `ELT_FILE_BINARY` for what has NUL bytes at its beginning. A retry does not help.
 *
 * @param head the first bytes, unpacked and transcoded, up to 64 KiB
 */
export function assertText(head: Buffer, file: string, format: string): void {
  const start = head.subarray(0, 4096);
  const compression = compressionOf(head);
  const known = isParquet(head)
    ? 'Parquet'
    : compression !== 'none'
      ? compression
      : start.subarray(0, 4).toString('latin1') === 'PK\x03\x04'
        ? 'a zip archive'
        : undefined;
  if (known === undefined && !start.includes(0)) return;
  throw new TerminalError(
    'ELT_FILE_BINARY',
    `Reading ${file} as ${format} failed: it is ${known ?? 'binary data (it holds NUL bytes)'}; expected text.`,
    {
      at: { file, line: 1 },
      next: 'Set `format` of the resource, or correct its `path`.',
    },
  );
}

/** UTF-16 or UTF-32 by its byte order mark, or UTF-16 by the NUL bytes of its ASCII; undefined for other text. */
export function wideEncoding(head: Buffer): { readonly name: string; readonly marked: boolean } | undefined {
  const marked = (name: string): { name: string; marked: boolean } => ({ name, marked: true });
  if (head.length >= 4 && head.readUInt32LE(0) === 0x0000feff) return marked('UTF-32LE');
  if (head.length >= 4 && head.readUInt32BE(0) === 0x0000feff) return marked('UTF-32BE');
  if (head[0] === 0xff && head[1] === 0xfe) return marked('UTF-16LE');
  if (head[0] === 0xfe && head[1] === 0xff) return marked('UTF-16BE');
  // Without a mark: mostly-ASCII text has a NUL in every second byte.
  const pairs = Math.min(head.length, 512) >> 1;
  if (pairs < 2) return undefined;
  let even = 0;
  let odd = 0;
  for (let pair = 0; pair < pairs; pair++) {
    if (head[2 * pair] === 0) even++;
    if (head[2 * pair + 1] === 0) odd++;
  }
  if (odd > 0.7 * pairs && even === 0) return { name: 'UTF-16LE', marked: false };
  return even > 0.7 * pairs && odd === 0 ? { name: 'UTF-16BE', marked: false } : undefined;
}
