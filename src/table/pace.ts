import { setImmediate } from 'node:timers/promises';

/** Values between two turns of the event loop: a few milliseconds of arithmetic, a few tens of the dearest text work. */
const VALUES_A_TURN = 65_536;

/**
 * Gives the event loop a turn (heartbeats, cancellation, other activities) after every 65,536 values of a long
 * computation. It counts work and not time, so that what is computed, and in which order, never depends on the machine.
 */
export class Pace {
  private sinceTurn = 0;

  /** @param signal makes the next turn reject with its reason, once aborted */
  constructor(private readonly signal?: AbortSignal) {}

  /** To be called after work on that many values. */
  async after(values: number): Promise<void> {
    this.sinceTurn += values;
    if (this.sinceTurn < VALUES_A_TURN) return;
    this.sinceTurn = 0;
    await setImmediate();
    this.signal?.throwIfAborted();
  }

  /**
   * Does `work` on rows `from` (inclusive) to `to` (exclusive), in ascending blocks that cover all `rows`.
   * @param valuesARow what one row costs, in plain operations on a number
   */
  async overRows(rows: number, work: (from: number, to: number) => void, valuesARow = 1): Promise<void> {
    const block = Math.max(1, Math.floor(VALUES_A_TURN / Math.max(1, valuesARow)));
    for (let from = 0; from < rows; from += block) {
      const to = Math.min(rows, from + block);
      work(from, to);
      await this.after((to - from) * valuesARow);
    }
  }
}
