import { setImmediate } from 'node:timers/promises';
import type { FloatMatrix } from './float-matrix.js';

const BLOCK = 2_048;

/** `predict` over all rows, with a turn for the event loop (heartbeats, cancellation) after every 2,048. */
export async function predictInBlocks(
  predict: (X: FloatMatrix) => Float64Array,
  X: FloatMatrix,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const predictions = new Float64Array(X.rows);
  for (let start = 0; start < X.rows; start += BLOCK) {
    signal?.throwIfAborted();
    const end = Math.min(start + BLOCK, X.rows);
    const columns = X.columns.map((column) => column.subarray(start, end));
    predictions.set(predict({ rows: end - start, columns }), start);
    await setImmediate();
  }
  return predictions;
}
