import { TerminalError, TransientError } from '../../errors.js';
import type { Json } from '../../model/project.js';
import type { PageSource } from './read-page.js';

// What servers of GraphQL write where others answer 429.
const TOO_FAST = /^(throttled|rate_?limit(ed|_exceeded)?|too_many_requests)$/i;
const MOST_SHOWN = 200;

/**
 * Throws for what an answer has (`json`) at `keys`, where it says what went wrong, as GraphQL does with status 200: its rows would be a part of
 * what was asked for. What is empty is no error. `ELT_HTTP_ERRORS` (terminal), or
 * `ELT_HTTP_STATUS_TRANSIENT` where a server says that it was asked too fast.
 */
export function refuseErrors({ shownUrl, redact }: PageSource, json: string, keys: readonly string[]): void {
  const said = JSON.parse(json) as Json;
  if (typeof said === 'object' && said !== null && Object.keys(said).length === 0) return;
  const [first, ...more] = Array.isArray(said) ? (said as unknown[]) : [said];
  const message = redact(messageOf(first));
  const shown = message.length > MOST_SHOWN ? `${message.slice(0, MOST_SHOWN)}…` : message;
  const others = more.length === 0 ? '' : ` and ${more.length} more`;
  const text = `Reading ${shownUrl} failed: the answer has at ${keys.join('.')} ${JSON.stringify(shown)}${others}; expected none.`;
  if (TOO_FAST.test(codeOf(first)))
    throw new TransientError('ELT_HTTP_STATUS_TRANSIENT', text, {
      next: 'The step is tried again. Lower `rate_limit` if it goes on.',
    });
  throw new TerminalError('ELT_HTTP_ERRORS', text, {
    next: 'Correct `body` in plumbline.yaml, or what the credentials may read. None of the answer is loaded.',
  });
}

function messageOf(error: unknown): string {
  const { message } = (error ?? {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : typeof error === 'string' ? error : JSON.stringify(error);
}

function codeOf(error: unknown): string {
  const { type, extensions } = (error ?? {}) as { readonly type?: unknown; readonly extensions?: { readonly code?: unknown } }; // prettier-ignore
  const code = extensions?.code ?? type;
  return typeof code === 'string' ? code : '';
}
