import { gunzipSync } from 'node:zlib';
import { TerminalError, TransientError } from '../../errors.js';
import { shownUrl, type GuardedResponse } from './guarded-fetch.js';
import { isGzip } from './unpacked-body.js';

/** The whole body, decompressed where the server compressed it unasked. Throws `ELT_HTTP_TOO_LARGE` (terminal), `ELT_HTTP_CUT`. */
export async function readBody({ body, headers, url }: GuardedResponse, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(url, maxBytes);
    chunks.push(chunk);
  }
  const content = Buffer.concat(chunks);
  if (!isGzip(headers['content-encoding'])) return content;
  try {
    return gunzipSync(content, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(url, maxBytes);
    if (code === 'Z_BUF_ERROR')
      throw new TransientError('ELT_HTTP_CUT', `Reading ${shownUrl(url)} failed: the answer ends after ${bytes} bytes, in the middle of its gzip encoding.`, {
        cause: error,
        next: 'Nothing: the step is tried again.',
      }); // prettier-ignore
    throw new TerminalError('ELT_HTTP_ANSWER', `Reading ${shownUrl(url)} failed: its gzip encoding is damaged.`, {
      next: 'Ask whoever runs the server.',
      cause: error,
    });
  }
}

function tooLarge(url: string, maxBytes: number): TerminalError {
  return new TerminalError(
    'ELT_HTTP_TOO_LARGE',
    `Reading ${shownUrl(url)} was stopped: its answer is larger than ${maxBytes >> 20} MiB.`,
    { details: { maxBytes }, next: 'Ask for smaller pages, for example with `params: { per_page: 1000 }`.' },
  );
}
