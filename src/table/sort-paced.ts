import type { Pace } from './pace.js';

/** Sorted at once, in a few milliseconds. */
const RUN = 16_384;

type Numbers = Float64Array | Float32Array | Int32Array;

/** Sorts numbers in place and ascending, as their own `sort` does, with turns for the event loop. NaN must not be among them. */
export async function sortNumbers<Values extends Float64Array | Float32Array>(
  values: Values,
  pace: Pace,
): Promise<Values> {
  return mergeSort(
    values,
    (run) => run.sort(),
    (a, b) => a > b,
    pace,
  );
}

/** Sorts row numbers in place by `compare`, stable, with turns for the event loop. */
export async function sortRows(
  rows: Int32Array,
  compare: (a: number, b: number) => number,
  pace: Pace,
): Promise<Int32Array> {
  return mergeSort(
    rows,
    (run) => run.sort(compare),
    (a, b) => compare(a, b) > 0,
    pace,
  );
}

/** Sorted runs, merged two by two. O(n log n) and as much memory again. */
async function mergeSort<Values extends Numbers>(
  values: Values,
  sortRun: (run: Numbers) => unknown,
  isAfter: (a: number, b: number) => boolean,
  pace: Pace,
): Promise<Values> {
  const { length } = values;
  for (let start = 0; start < length; start += RUN) {
    const end = Math.min(length, start + RUN);
    sortRun(values.subarray(start, end));
    await pace.after((end - start) * 4);
  }
  let source: Numbers = values;
  let target: Numbers = length > RUN ? values.slice() : values;
  for (let width = RUN; width < length; width *= 2) {
    for (let start = 0; start < length; start += 2 * width) {
      const middle = Math.min(length, start + width);
      await mergeRuns(source, target, { start, middle, end: Math.min(length, middle + width) }, isAfter, pace);
    }
    [source, target] = [target, source];
  }
  if (source !== values) values.set(source);
  return values;
}

/** Merges [start, middle) and [middle, end) of `source` into `target`; of equals, those on the left come first. */
async function mergeRuns(
  source: Numbers,
  target: Numbers,
  { start, middle, end }: { readonly start: number; readonly middle: number; readonly end: number },
  isAfter: (a: number, b: number) => boolean,
  pace: Pace,
): Promise<void> {
  let left = start;
  let right = middle;
  for (let from = start; from < end; from += RUN) {
    const to = Math.min(end, from + RUN);
    for (let out = from; out < to; out++) {
      const takeRight = left >= middle || (right < end && isAfter(source[left]!, source[right]!));
      target[out] = takeRight ? source[right++]! : source[left++]!;
    }
    await pace.after(to - from);
  }
}
