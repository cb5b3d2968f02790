import { TerminalError } from '../../errors.js';
import { assertText } from './inspect-bytes.js';
import { openBytes, type ByteSource } from './open-bytes.js';

export interface LineOptions {
  readonly signal?: AbortSignal | undefined;
  /** Takes a line without its end; `bytes` is valid during the call only. */
  readonly onLine: (bytes: Buffer) => void;
  /** Called between chunks of the file; reading waits for it. */
  readonly onChunk?: () => Promise<void>;
}

const LINE_END = 10;
const MAX_LINE_BYTES = 64 << 20;

/**
 * The lines of a text file, without a byte order mark. Throws `ELT_FILE_ENCODING`, `ELT_FILE_BINARY`, `ELT_FILE_MALFORMED` (a line over 64 MiB),
 * `ELT_GZIP_BROKEN`; a retry does not help.
 *
 * @param format for messages
 */
export async function readLines(source: ByteSource, format: string, options: LineOptions): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  let first = true;
  let line = 0;
  for await (const chunk of openBytes(source, options.signal)) {
    let buffer: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (first) {
      first = false;
      assertText(buffer.subarray(0, 1 << 16), source.file, format);
      if (buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf) buffer = buffer.subarray(3);
    }
    let start = 0;
    for (let end = buffer.indexOf(LINE_END); end !== -1; end = buffer.indexOf(LINE_END, start)) {
      line++;
      options.onLine(buffer.subarray(start, end));
      start = end + 1;
    }
    rest = buffer.subarray(start);
    if (rest.length > MAX_LINE_BYTES) throw longLine(source.file, line + 1);
    await options.onChunk?.();
  }
  if (rest.length > 0) options.onLine(rest);
}

function longLine(file: string, line: number): TerminalError {
  return new TerminalError(
    'ELT_FILE_MALFORMED',
    `Reading ${file} failed: a line is longer than 64 MiB; expected one JSON object a line.`,
    {
      at: { file, line },
      next: 'Write one object a line, for example with `jq -c ".[]"`.',
    },
  );
}
