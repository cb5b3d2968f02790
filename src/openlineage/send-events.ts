import type { Database } from '../model/database.js';
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
    const limit = AbortSignal.timeout(timeoutMs);
    const error = await send(receiver, due.event, signal === undefined ? limit : AbortSignal.any([signal, limit]));
    await endLineageAttempt(database, due.eventId, error);
    if (error === undefined) sent++;
    // Where nobody answers, the next one would wait in vain too.
    else if (error.startsWith(SILENCE)) return sent;
  }
  return sent;
}

const SILENCE = 'the OpenLineage server did not answer';

/** Undefined when it was taken; else what went wrong, without the address, which may hold a key. */
async function send({ url, key }: Receiver, event: unknown, signal: AbortSignal): Promise<string | undefined> {
  const address = new URL(url);
  if (address.pathname === '/') address.pathname = '/api/v1/lineage';
  try {
    const answer = await fetch(address, {
      method: 'POST',
      redirect: 'manual',
      signal,
      headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
      body: JSON.stringify(event),
    });
    await answer.body?.cancel();
    return answer.ok ? undefined : `the OpenLineage server answered ${answer.status}`;
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    return `${SILENCE} (${code ?? (error as Error).name})`;
  }
}
