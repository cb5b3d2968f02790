import { TerminalError, type SourcePosition } from '../../errors.js';
import { shownUrl } from './guarded-fetch.js';

// What may stand before the first element: byte order mark, blanks, the XML declaration, comments.
const PAGE =
  /^\ufeff?(?:\s|<\?xml[^>]*>|<!--[^]*?-->)*<(?:!doctype\s+html|(?:html|head|body|meta|title|script|style|link)[\s>/])/i;
const HEAD_BYTES = 4096;

export interface FetchedFrom {
  readonly url: string;
  readonly contentType: string | undefined;
  /** Where the project names it. */
  readonly at: SourcePosition;
}

/** The body of an answer that is no web page: log-in forms and error pages often come with status 200. Throws `ELT_HTTP_PAGE` (terminal). */
export async function* refusePage(body: AsyncIterable<Buffer>, from: FetchedFrom): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const chunk of body) {
    if (isFirst && isPage(chunk, from.contentType)) throw webPage(from);
    isFirst = false;
    yield chunk;
  }
}

function isPage(head: Buffer, contentType = ''): boolean {
  const text = head.toString('utf8', 0, HEAD_BYTES);
  const isDeclared = /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(contentType);
  return PAGE.test(text) || (isDeclared && /^\ufeff?\s*</.test(text));
}

function webPage({ url, at }: FetchedFrom): TerminalError {
  return new TerminalError(
    'ELT_HTTP_PAGE',
    `Fetching ${shownUrl(url)} failed: the server sent a web page (HTML); expected data.`,
    {
      at,
      next: 'Open the URL in a browser: it may ask for a log-in, or lead to a page about the file. Set `path` to the file itself.',
    },
  );
}
