import { TerminalError, type SourcePosition } from '../../errors.js';
import { shownUrl } from './guarded-fetch.js';

// What may stand before the first element: byte order mark, blanks, the XML declaration, comments.
const PAGE =
  /^\ufeff?(?:\s|<\?xml[^>]*>|<!--[^]*?-->)*<(?:!doctype\s+html|(?:html|head|body|meta|title|script|style|link)[\s>/])/i;
const HEAD_BYTES = 4096;

/**
 * Log-in forms and error pages often come with status 200. Throws `ELT_HTTP_PAGE` (terminal).
 * @param head the first bytes of the answer
 */
export function refusePage(
  head: Buffer,
  {
    url,
    contentType,
    at,
  }: { readonly url: string; readonly contentType: string | undefined; readonly at: SourcePosition },
): void {
  const text = head.toString('utf8', 0, HEAD_BYTES);
  const isDeclared = /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(contentType ?? '');
  if (!(PAGE.test(text) || (isDeclared && /^\ufeff?\s*</.test(text)))) return;
  throw new TerminalError(
    'ELT_HTTP_PAGE',
    `Fetching ${shownUrl(url)} failed: the server sent a web page (HTML); expected data.`,
    {
      at,
      next: 'Open the URL in a browser: it may ask for a log-in, or lead to a page about the file. Set `path` to the file itself.',
    },
  );
}
