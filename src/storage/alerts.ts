import type { Queryable } from '../model/database.js';
import type { AlertsConfig, EmailConfig } from '../model/project.js';
import { jsonb } from '../model/jsonb.js';
import { outbox } from './outbox.js';

export type AlertKind = 'failed' | 'missed';

/**
 * Records an event for everybody who is to be told of it, once for each subject; a second time changes nothing. Gives
 * whether it is new.
 */
export async function recordAlert(
  database: Queryable,
  alert: {
    readonly env: string;
    readonly project: string;
    readonly kind: AlertKind;
    readonly subject: string;
    readonly payload: Readonly<Record<string, unknown>>;
    readonly config: AlertsConfig;
    readonly root: string;
  },
): Promise<boolean> {
  if (!alert.config.on.includes(alert.kind)) return false;
  const added = await database.execute(
    `INSERT INTO plumbline.alerts (env, project, kind, subject, payload, root, receiver, webhook, secret, email)
     SELECT $1, $2, $3, $4, $5, $6, r.receiver, r.webhook, r.secret, r.email
     FROM jsonb_to_recordset($7) AS r(receiver text, webhook text, secret text, email jsonb)
     ON CONFLICT (env, project, kind, subject, receiver) DO NOTHING`,
    [
      alert.env,
      alert.project,
      alert.kind,
      alert.subject,
      jsonb(alert.payload),
      alert.root,
      jsonb(receiversOf(alert.config)),
    ],
  );
  return added > 0;
}

export type Receiver = Pick<DueAlert, 'receiver'> & Partial<Pick<DueAlert, 'webhook' | 'secret' | 'email'>>;

/** Each gets a message of its own. */
export function receiversOf({ webhook, secret, email }: AlertsConfig): Receiver[] {
  return [
    ...(webhook === undefined ? [] : [{ receiver: 'webhook', webhook, secret: secret ?? null }]),
    ...(email?.to ?? []).map((receiver) => ({ receiver, email: { smtp: email!.smtp, from: email!.from } })),
  ];
}

export interface DueAlert {
  readonly eventId: string;
  readonly env: string;
  readonly project: string;
  /** `test`: somebody looks whether it arrives; never recorded. */
  readonly kind: AlertKind | 'test';
  readonly subject: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Null where `email` is not. */
  readonly webhook: string | null;
  readonly secret: string | null;
  readonly email: Pick<EmailConfig, 'smtp' | 'from'> | null;
  /** `webhook`, or the mail address. */
  readonly receiver: string;
  readonly root: string;
  /** ISO time of the event. */
  readonly at: string;
}

/** Takes the next alert that is due, as `outbox` says. */
export async function takeDueAlert(database: Queryable): Promise<DueAlert | undefined> {
  const [row] = await database.query<DueAlert>(
    `UPDATE plumbline.alerts SET ${outbox.take}
     WHERE event_id = (SELECT event_id FROM plumbline.alerts
       WHERE delivered_at IS NULL AND ${outbox.isDue}
       ORDER BY next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING event_id AS "eventId", env, project, kind, subject, payload, webhook, secret, email, receiver, root,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at`,
  );
  return row;
}

export interface UndeliveredAlerts {
  readonly count: number;
  /** ISO time of the oldest event, in UTC. */
  readonly since: string;
  /** What the last attempt of the newest failed one ended with. */
  readonly error: string;
}

/** Alerts that an attempt to send failed for and that nobody got since, of all projects and the last 7 days; undefined when there are none. */
export async function undeliveredAlerts(database: Queryable): Promise<UndeliveredAlerts | undefined> {
  const [row] = await database.query<UndeliveredAlerts>(
    `SELECT count(*)::int AS count,
       to_char(min(created_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
       (array_agg(error ORDER BY created_at DESC, next_try_at DESC))[1] AS error
     FROM plumbline.alerts WHERE delivered_at IS NULL AND error IS NOT NULL
       AND created_at > now() - interval '7 days'
     HAVING count(*) > 0`,
  );
  return row;
}

export async function endAlertAttempt(database: Queryable, eventId: string, error: string | undefined): Promise<void> {
  await database.execute(
    error === undefined
      ? 'UPDATE plumbline.alerts SET delivered_at = clock_timestamp(), error = $2 WHERE event_id = $1'
      : `UPDATE plumbline.alerts SET error = $2, ${outbox.later} WHERE event_id = $1 AND delivered_at IS NULL`,
    [eventId, error ?? null],
  );
}
