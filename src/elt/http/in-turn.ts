import { setTimeout as sleep } from 'node:timers/promises';
import { TerminalError, TransientError } from '../../errors.js';
import { holdOff, waitForTurn, type RateLimit } from './rate-limit.js';

export interface TurnOptions {
  readonly limit: RateLimit;
  readonly signal?: AbortSignal | undefined;
  /** Pauses before the second, third … try; as many tries and one more. @default 1, 2, 4 and 8 s */
  readonly pausesMs?: readonly number[];
}

const PAUSES_MS = [1_000, 2_000, 4_000, 8_000];

/**
 * Asks when the source's turn has come. What is transient is asked again, after Retry-After, which then holds for all workers, or a pause. So
 * is 403 where a rate limit is set: several servers answer those that ask too fast with it. Throws what the last try threw.
 */
export async function inTurn<T>(options: TurnOptions, ask: () => Promise<T>): Promise<T> {
  const { limit, signal, pausesMs: pauses = PAUSES_MS } = options;
  for (let tries = 0; ; tries++) {
    await waitForTurn(limit, signal);
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof TransientError) && !(isForbidden(error) && limit.intervalMs > 0)) throw error;
      const { retryAfterMs } = error.details;
      if (typeof retryAfterMs === 'number') await holdOff(limit, retryAfterMs);
      if (tries === pauses.length) throw error;
      if (typeof retryAfterMs !== 'number')
        await sleep(pauses[tries], undefined, signal === undefined ? {} : { signal });
    }
  }
}

function isForbidden(error: unknown): error is TerminalError {
  return error instanceof TerminalError && error.details['status'] === 403;
}
