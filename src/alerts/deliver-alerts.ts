import type { Database } from '../model/database.js';
import { endAlertAttempt, takeDueAlert } from '../storage/alerts.js';
import { sendAlert, type SendOptions } from './send-alert.js';

export interface DeliveryOptions extends SendOptions {
  readonly database: Database;
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
    const error = await sendAlert(alert, options).then(
      () => undefined,
      (failure: unknown) => (failure instanceof Error ? failure.message : String(failure)),
    );
    await endAlertAttempt(options.database, alert.eventId, error);
    if (error === undefined) delivered++;
  }
  return delivered;
}
