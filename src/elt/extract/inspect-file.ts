import type { ResourceConfig } from '../../model/project.js';
import { fileFormat } from '../read/file-format.js';
import { assertText } from '../read/inspect-bytes.js';
import { byteSource, firstBytes, openBytes } from '../read/open-bytes.js';
import type { MatchedFile } from './match-files.js';
import { emptyFile, headerOnly } from '../read/empty-file.js';
import { mayBeWithoutRows } from '../read/may-be-without-rows.js';

const HEAD_BYTES = 1 << 16;

/**
 * Looks at the first 64 KiB of a file and refuses what can never be loaded, before it is stored: nothing in it or a header
 * and no row where that may not be, not the format or encoding it is declared as. Throws `ELT_FILE_…`, `ELT_GZIP_BROKEN`, `ELT_FORMAT_UNKNOWN`; a retry does not help.
 * @param given what `firstBytes` gave, where it was asked before
 */
export async function inspectFile(
  { absolute, path }: MatchedFile,
  resource: ResourceConfig,
  given?: Buffer,
): Promise<void> {
  const raw = given ?? (await firstBytes(absolute));
  // Only the parser knows what it is.
  if (resource.parse !== undefined) return;
  const format = fileFormat(resource.format, path, raw);
  // No line at all is how NDJSON says that there are no rows; of other formats it is no whole file.
  const mayHoldNothing = resource.allowEmpty === true || (format === 'ndjson' && mayBeWithoutRows(resource));
  if (raw.length === 0) return nothing(path, mayHoldNothing);
  if (format === 'parquet' || format === 'xlsx') return;
  const text = await head(openBytes(await byteSource(absolute, path, resource.encoding, raw)));
  if (text.length === 0) return nothing(path, mayHoldNothing);
  assertText(text, path, format === 'csv' ? 'CSV' : 'JSON');
  const isSeen = format === 'csv' && resource.csv === undefined && text.length < HEAD_BYTES;
  if (isSeen && !mayBeWithoutRows(resource) && isHeaderOnly(text)) throw headerOnly(path);
}

function nothing(path: string, isAllowed: boolean): void {
  if (!isAllowed) throw emptyFile(path, 'it is empty; expected rows');
}

async function head(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const kept: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    kept.push(chunk);
    bytes += chunk.length;
    if (bytes >= HEAD_BYTES) break;
  }
  return Buffer.concat(kept).subarray(0, HEAD_BYTES);
}

/** One line, quoted line ends aside. The load counts exactly; this only says the plain case early. */
function isHeaderOnly(text: Buffer): boolean {
  const trimmed = text
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trim();
  return trimmed !== '' && !trimmed.includes('"') && !/[\r\n]/.test(trimmed);
}
