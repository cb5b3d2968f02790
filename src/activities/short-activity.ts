import { activityInfo, heartbeat } from '@temporalio/activity';
import { toFailure } from './failures.js';

/**
 * An activity that is short and has no step row: it heartbeats so that a killed worker is noticed in seconds. Heartbeat
 * details: how often it has failed by itself, which a worker's death is not.
 */
export async function shortActivity<T>(step: string, work: () => Promise<T>): Promise<T> {
  const earlier = activityInfo().heartbeatDetails as { readonly failures?: number } | undefined;
  let failures = earlier?.failures ?? 0;
  const beat = setInterval(() => heartbeat({ failures }), 1_000);
  try {
    return await work();
  } catch (error) {
    failures++;
    heartbeat({ failures });
    throw toFailure(error, step, failures);
  } finally {
    clearInterval(beat);
  }
}
