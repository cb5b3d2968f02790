import { createTransport } from 'nodemailer';
import type { DueAlert } from '../storage/alerts.js';
import { mailOf } from './mail-of.js';
import { readSecret } from './read-secret.js';
import type { SendOptions } from './send-alert.js';

/**
 * Hands one mail to the project's mail server and gives its answer. Throws what went wrong, in words without the server's address and password.
 * A server that took it without its answer being heard gets it again, with the same Message-ID.
 */
export async function sendEmail(
  alert: DueAlert & { readonly email: NonNullable<DueAlert['email']> },
  { environment, timeoutMs = 10_000, signal }: SendOptions,
): Promise<string> {
  const { smtp, from } = alert.email;
  const server = readServer(await readSecret(smtp, environment, alert.root), smtp);
  const transport = createTransport({
    ...server,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    // A text is sent as it is: none of it names a file or an address to read from.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  // Well below the minute for which the alert is this process's to send, however slowly the server answers.
  const limit = AbortSignal.timeout(3 * timeoutMs);
  try {
    const stopped = onAbort(signal === undefined ? limit : AbortSignal.any([signal, limit]));
    const sent = transport.sendMail({ from, to: alert.receiver, ...mailOf(alert) }) as Promise<{ response: string }>;
    const { response } = await Promise.race([sent, stopped]);
    return `the mail server took it: ${response}`;
  } catch (error) {
    const { code, responseCode } = error as { code?: string; responseCode?: number };
    const why = [code ?? (error as Error).name, responseCode].filter((part) => part !== undefined).join(' ');
    throw new Error(`the mail server of ${smtp} did not take the mail (${why})`, { cause: error });
  } finally {
    transport.close();
  }
}

function onAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(signal.reason as Error);
    if (signal.aborted) fail();
    signal.addEventListener('abort', fail, { once: true });
  });
}

/** `smtps://user:password@host:465`; `smtp://…` must offer STARTTLS, but for `?tls=none`. User and password are percent-encoded. */
function readServer(text: string, reference: string) {
  const form = 'expected smtp://user:password@host:587, smtps://user:password@host:465, or with ?tls=none';
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error(`${reference} is no address, ${form}`);
  }
  const isTls = url.protocol === 'smtps:';
  const isPlain = url.search === '?tls=none';
  if ((!isTls && url.protocol !== 'smtp:') || url.hostname === '' || (url.search !== '' && (isTls || !isPlain)))
    throw new Error(`${reference} is no address of a mail server, ${form}`);
  const [user, pass] = [url.username, url.password].map(decodeURIComponent);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (isTls ? 465 : 587) : Number(url.port),
    secure: isTls,
    requireTLS: !isTls && !isPlain,
    ignoreTLS: isPlain,
    ...(user === '' ? {} : { auth: { user: user!, pass: pass! } }),
  };
}
