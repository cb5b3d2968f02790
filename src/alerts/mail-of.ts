import type { DueAlert } from '../storage/alerts.js';

export interface Mail {
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The event as a mail of plain text: its subject says what happened to what, its body the rest, a line each. */
export function mailOf({ eventId, kind, env, project, at, payload }: DueAlert): Mail {
  const { run, interval, error, schedule, due, by, next } = payload as AlertPayload;
  const what = {
    failed: `run ${run} failed`,
    missed: `schedule ${schedule} missed its start`,
    test: 'a test, nothing failed',
  }[kind];
  const place = error?.at === undefined ? undefined : [error.at.file, error.at.line].filter(Boolean).join(':');
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['project', project],
    ['environment', env],
    ['run', run],
    ['interval', interval === undefined ? undefined : `${interval.start} to ${interval.end}`],
    ['step', error?.step],
    ['error', error?.code],
    ['at', place],
    ['due', due],
    ['sent by', by],
    ['told', at],
    ['event', eventId],
  ];
  const lines = facts.flatMap(([name, value]) => (value === undefined ? [] : [`${`${name}:`.padEnd(13)}${value}`]));
  const said = [error?.message, next].filter((part) => part !== undefined);
  return {
    messageId: `<${eventId}@plumbline>`,
    subject: oneLine(`[plumbline] ${project} (${env}): ${what}`),
    text: `${[...said, lines.join('\n')].join('\n\n')}\n`,
    // RFC 3834: no answer of an absent person comes back.
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Plumbline-Event-Id': eventId },
  };
}

interface AlertPayload {
  readonly run?: string;
  readonly interval?: { readonly start: string; readonly end: string };
  readonly error?: {
    readonly step?: string;
    readonly code?: string;
    readonly message?: string;
    readonly at?: { readonly file: string; readonly line?: number };
  };
  readonly schedule?: string;
  readonly due?: string;
  /** Who asked for a test. */
  readonly by?: string;
  readonly next?: string;
}

/** A header ends at a line break, and what follows it would be the next header. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').slice(0, 150);
}
