import type { Database } from '../model/database.js';
import { endAlertAttempt, takeDueAlert, type DueAlert } from '../storage/alerts.js';
import { sendEmail } from './send-email.js';
import { sendWebhook } from './send-webhook.js';

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

async function send(alert: DueAlert, options: DeliveryOptions): Promise<void> {
  const { webhook, email } = alert;
  if (email !== null) await sendEmail({ ...alert, email }, options);
  else if (webhook !== null) await sendWebhook({ ...alert, webhook }, options);
}
