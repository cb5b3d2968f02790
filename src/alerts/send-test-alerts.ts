import { randomUUID } from 'node:crypto';
import type { AlertsConfig } from '../model/project.js';
import { receiversOf } from '../storage/alerts.js';
import { sendAlert, type SendOptions } from './send-alert.js';

export interface TestedReceiver {
  /** `webhook`, or the mail address. */
  readonly receiver: string;
  readonly ok: boolean;
  /** What it answered, or why it did not take the message. */
  readonly answer: string;
}

/**
 * Sends everybody who would be told of a failure a message that is marked as a test, as a worker would: signed, and to each
 * address by itself. Once, and nothing is recorded.
 */
export async function sendTestAlerts(
  scope: {
    readonly env: string;
    readonly project: string;
    readonly root: string;
    readonly by: string;
    readonly config: AlertsConfig;
  },
  options: SendOptions,
): Promise<TestedReceiver[]> {
  const { env, project, root, by, config } = scope;
  const event = {
    kind: 'test' as const,
    env,
    project,
    root,
    subject: 'test',
    at: `${(options.now?.() ?? new Date()).toISOString().slice(0, 19)}Z`,
    payload: { test: true, by, next: 'Nothing to do: this is a test, nothing failed.' },
  };
  return Promise.all(
    receiversOf(config).map(async (receiver) => {
      const alert = { webhook: null, secret: null, email: null, ...event, ...receiver, eventId: randomUUID() };
      return sendAlert(alert, options).then(
        (answer) => ({ receiver: receiver.receiver, ok: true, answer }),
        (error: unknown) => ({ receiver: receiver.receiver, ok: false, answer: error instanceof Error ? error.message : String(error) }),
      ); // prettier-ignore
    }),
  );
}
