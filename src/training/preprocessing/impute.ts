import { Pace } from '../../table/pace.js';
import { sortNumbers } from '../../table/sort-paced.js';

export interface ImputeParameters {
  /** The median (R type 7) of the values seen, float32; 0 when none was. */
  readonly fill: number;
}

export async function fitImpute(values: Float32Array, pace = new Pace()): Promise<ImputeParameters> {
  const buffer = new Float32Array(values.length);
  let length = 0;
  const collect = (from: number, to: number): void => {
    for (let row = from; row < to; row++) if (!Number.isNaN(values[row]!)) buffer[length++] = values[row]!;
  };
  await pace.overRows(values.length, collect);
  const seen = await sortNumbers(buffer.subarray(0, length), pace);
  if (seen.length === 0) return { fill: 0 };
  const upper = seen.length >> 1;
  const median = seen.length % 2 === 1 ? seen[upper]! : (seen[upper - 1]! + seen[upper]!) / 2;
  return { fill: Math.fround(median) };
}

/** NaN becomes `fill`; length stays. */
export function impute(values: Float32Array, { fill }: ImputeParameters): Float32Array {
  const filled = values.slice();
  for (let row = 0; row < filled.length; row++) if (Number.isNaN(filled[row]!)) filled[row] = fill;
  return filled;
}
