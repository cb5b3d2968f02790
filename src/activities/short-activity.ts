import { Context, heartbeat } from '@temporalio/activity';
import { toFailure } from './failures.js';

/** An activity that is short and has no step row: it heartbeats so that a killed worker is noticed in seconds. */
export async function shortActivity<T>(step: string, work: () => Promise<T>): Promise<T> {
  const beat = setInterval(() => heartbeat(), 1_000);
  try {
    return await work();
  } catch (error) {
    throw toFailure(error, step, Context.current().info.attempt);
  } finally {
    clearInterval(beat);
  }
}
