import type { Database } from '../model/database.js';
import { postJson, SilenceError } from '../model/post-json.js';
import { endLineageAttempt, takeLineageEvent } from '../storage/lineage-events.js';

export interface Receiver {
  /** Address that takes events; of a server alone, its `/api/v1/lineage`. */
  readonly url: string;
  /** Sent as `Authorization: Bearer`. */
  readonly key?: string;
}

/** Sends what is due, one after the other, and gives how many were taken. At least once each; what fails is tried again later. */
export async function sendLineageEvents(
  database: Database,
  receiver: Receiver,
  { signal, timeoutMs = 10_000 }: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
): Promise<number> {
  let sent = 0;
  while (signal?.aborted !== true) {
    const due = await takeLineageEvent(database);
    if (due === undefined) return sent;
    const error = await send(receiver, due.event, { timeoutMs, signal });
    await endLineageAttempt(database, due.eventId, error);
    if (error === undefined) sent++;
    // Where nobody answers, the next one would wait in vain too.
    else if (error.startsWith(SILENCE)) return sent;
  }
  return sent;
}

const SILENCE = 'the OpenLineage server did not answer';

/** Undefined when it was taken; else what went wrong. */
async function send(
  { url, key }: Receiver,
  event: unknown,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
): Promise<string | undefined> {
  const address = new URL(url);
  if (address.pathname === '/') address.pathname = '/api/v1/lineage';
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  try {
    const status = await postJson({ url: address, headers, body: JSON.stringify(event), ...limits });
    return status >= 200 && status <= 299 ? undefined : `the OpenLineage server answered ${status}`;
  } catch (error) {
    if (!(error instanceof SilenceError)) throw error;
    return `${SILENCE} (${error.message})`;
  }
}
