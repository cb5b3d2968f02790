import { createHmac } from 'node:crypto';
import { postJson, SilenceError } from '../model/post-json.js';
import type { DueAlert } from '../storage/alerts.js';
import { readSecret } from './read-secret.js';
import type { SendOptions } from './send-alert.js';

/** POSTs the event and gives what came back. Throws what went wrong, in words without the address, which may hold a key. */
export async function sendWebhook(
  alert: DueAlert & { readonly webhook: string },
  { environment, timeoutMs = 10_000, now = () => new Date(), signal }: SendOptions,
): Promise<string> {
  const { eventId: id, kind, env, project, at, payload } = alert;
  const body = JSON.stringify({ id, kind, env, project, at, ...payload });
  const url = await readSecret(alert.webhook, environment, alert.root);
  const key = alert.secret === null ? undefined : await readSecret(alert.secret, environment, alert.root);
  const signed: Record<string, string> =
    key === undefined ? {} : { 'plumbline-signature': signatureOf(body, key, now()) };
  const headers = { 'plumbline-event-id': id, ...signed };
  const status = await postJson({ url, headers, body, timeoutMs, signal }).catch((error: unknown) => {
    if (!(error instanceof SilenceError)) throw error;
    throw new Error(`the webhook of ${alert.webhook} did not answer (${error.message})`, { cause: error.cause });
  });
  if (status < 200 || status > 299) throw new Error(`the webhook of ${alert.webhook} answered ${status}`);
  return `answered ${status}${key === undefined ? '' : ', signed'}`;
}

/** `t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 over `<t>.<body>`, so that an old message cannot be sent again as new. */
export function signatureOf(body: string, key: string, at: Date): string {
  const seconds = Math.floor(at.getTime() / 1000);
  return `t=${seconds},v1=${createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex')}`;
}
