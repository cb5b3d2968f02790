import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Database } from '../model/database.js';
import { mayRefer } from '../model/may-refer.js';
import { endAlertAttempt, takeDueAlert, type DueAlert } from '../storage/alerts.js';

export interface DeliveryOptions {
  readonly database: Database;
  /** Where addresses and keys of `env:` are. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly now?: () => Date;
  /** How long a receiver may take. @default 10000 */
  readonly timeoutMs?: number;
  /** Ends it between two alerts, and the request that waits. */
  readonly signal?: AbortSignal;
}

/**
 * Sends what is due and gives how many receivers took theirs. At least once each: whoever dies between the receiver's
 * answer and the mark in the table sends it again, with the same id. A failure is kept in the row and tried again later.
 */
export async function deliverAlerts(options: DeliveryOptions): Promise<number> {
  let delivered = 0;
  while (options.signal?.aborted !== true) {
    const alert = await takeDueAlert(options.database);
    if (alert === undefined) return delivered;
    const error = await send(alert, options).then(
      () => undefined,
      (failure: unknown) => (failure instanceof Error ? failure.message : String(failure)),
    );
    await endAlertAttempt(options.database, alert.eventId, error);
    if (error === undefined) delivered++;
  }
  return delivered;
}

/** Throws what went wrong, in words without the address, which may hold a key. */
async function send(alert: DueAlert, options: DeliveryOptions): Promise<void> {
  const { environment, timeoutMs = 10_000, now = () => new Date(), signal } = options;
  const limit = AbortSignal.timeout(timeoutMs);
  const { eventId: id, kind, env, project, at, payload } = alert;
  const body = JSON.stringify({ id, kind, env, project, at, ...payload });
  const url = await secretOf(alert.webhook, environment, alert.root);
  const key = alert.secret === null ? undefined : await secretOf(alert.secret, environment, alert.root);
  let status: number;
  try {
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      headers: {
        'content-type': 'application/json',
        'plumbline-event-id': id,
        ...(key === undefined ? {} : { 'plumbline-signature': signatureOf(body, key, now()) }),
      },
      body,
    });
    await answer.body?.cancel();
    status = answer.status;
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    throw new Error(`the webhook of ${alert.webhook} did not answer (${code ?? (error as Error).name})`, {
      cause: error,
    });
  }
  if (status < 200 || status > 299) throw new Error(`the webhook of ${alert.webhook} answered ${status}`);
}

/** `t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 over `<t>.<body>`, so that an old message cannot be sent again as new. */
export function signatureOf(body: string, key: string, at: Date): string {
  const seconds = Math.floor(at.getTime() / 1000);
  return `t=${seconds},v1=${createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex')}`;
}

async function secretOf(reference: string, environment: DeliveryOptions['environment'], root: string): Promise<string> {
  const [, kind, name = ''] = /^(env|file):(.+)$/s.exec(reference) ?? [];
  if (kind === 'env' && !mayRefer(environment, name))
    throw new Error(`projects may not have ${reference}; see PLUMBLINE_PROJECT_ENV`);
  const value =
    kind === 'env'
      ? environment[name]
      : await readFile(resolve(root, name), 'utf8').then((text) => text.trim(), () => undefined); // prettier-ignore
  if (value === undefined || value === '') throw new Error(`there is no ${reference} where this process runs`);
  return value;
}
