import type { DueAlert } from '../storage/alerts.js';
import { sendEmail } from './send-email.js';
import { sendWebhook } from './send-webhook.js';

export interface SendOptions {
  /** Where addresses and keys of `env:` are. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly now?: () => Date;
  /** How long a receiver may take. @default 10000 */
  readonly timeoutMs?: number;
  /** Ends the request that waits. */
  readonly signal?: AbortSignal;
}

/** Sends one message to its receiver and gives what that one answered. Throws what went wrong, in words without an address that may hold a key. */
export async function sendAlert(alert: DueAlert, options: SendOptions): Promise<string> {
  const { webhook, email } = alert;
  if (email !== null) return sendEmail({ ...alert, email }, options);
  if (webhook !== null) return sendWebhook({ ...alert, webhook }, options);
  throw new Error('the alert has neither a webhook nor a mail address');
}
