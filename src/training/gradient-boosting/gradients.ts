import type { BoostingObjective } from './boosting-model.js';
import { hashKey, uniform } from './row-hash.js';
import { forOwnBlocks, type Thread } from './thread.js';
import { BLOCK_SUMS } from './training-memory.js';

/**
 * Gradients become whole numbers, so that their sums are exact in float64, whatever the order of rows and threads.
 *
 * Regression (hessian 1): packed[0] = gradient × countRadix + 1, one addition a bin sums gradient and count.
 * Binary: packed[0] = gradient, packed[1] = hessian × countRadix + 1.
 *
 * Units are powers of two chosen so that no sum leaves ±2^53: with n rows a count takes log2(n) bits and the packed
 * partner the rest; at 2^20 rows that is 12 bits for a typical gradient, at 2^14 rows 24.
 */
export interface Quantisation {
  /** Real gradient of one quantum. */
  readonly gradientUnit: number;
  readonly hessianUnit: number;
  /** Power of two above the number of rows. */
  readonly countRadix: number;
}

/** Rows for which counts and sums still fit 53 bits together. */
export const MAX_ROWS = 2 ** 25;
const EXACT = 2 ** 52;

/**
 * Writes real gradients (binary: and hessians) of this thread's rows into `packed`, and the block sums.
 * Loss: squared error a row, or log loss a row.
 */
export function computeGradients(thread: Thread): void {
  const { y, scores, packed, blockSums, objective } = thread.memory;
  const gradients = packed[0]!;
  const hessians = packed[1];
  forOwnBlocks(thread, (from, to, block) => {
    let absolute = 0;
    let hessianSum = 0;
    let loss = 0;
    for (let row = from; row < to; row++) {
      const score = scores[row]!;
      const target = y[row]!;
      if (hessians === undefined) {
        const difference = score - target;
        gradients[row] = difference;
        absolute += Math.abs(difference);
        loss += difference * difference;
      } else {
        const probability = 1 / (1 + Math.exp(-score));
        const gradient = probability - target;
        const hessian = probability * (1 - probability);
        gradients[row] = gradient;
        hessians[row] = hessian;
        absolute += Math.abs(gradient);
        hessianSum += hessian;
        // log(1 + exp(∓score)), written so that it neither overflows nor loses small losses
        const margin = target === 1 ? score : -score;
        loss += Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin)));
      }
    }
    blockSums[block * BLOCK_SUMS] = absolute;
    blockSums[block * BLOCK_SUMS + 1] = objective === 'binary' ? hessianSum : to - from;
    blockSums[block * BLOCK_SUMS + 2] = loss;
  });
}

/** Mean loss of the scores that `computeGradients` saw. Call after a barrier. */
export function meanLoss({ memory }: Thread): number {
  return sumBlocks(memory.blockSums, 2) / memory.rows;
}

/** Units for the gradients just computed. Call after a barrier; every thread gets the same. */
export function chooseQuantisation({ memory }: Thread): Quantisation {
  const { blockSums, rows, objective } = memory;
  const countRadix = 2 ** Math.ceil(Math.log2(rows + 1));
  const packedRoom = EXACT / countRadix - rows; // rounding up moves a sum by less than one a row
  return {
    gradientUnit: unit(sumBlocks(blockSums, 0), objective === 'regression' ? packedRoom : EXACT - rows),
    hessianUnit: objective === 'regression' ? 1 : unit(sumBlocks(blockSums, 1), packedRoom),
    countRadix,
  };
}

/** The smallest power of two that brings `sum` down to at most `room` quanta. */
function unit(sum: number, room: number): number {
  return sum > 0 ? 2 ** Math.max(-1000, Math.ceil(Math.log2(sum / room))) : 1;
}

function sumBlocks(blockSums: Float64Array, offset: number): number {
  let sum = 0;
  for (let index = offset; index < blockSums.length; index += BLOCK_SUMS) sum += blockSums[index]!;
  return sum;
}

/**
 * Replaces this thread's real gradients by packed whole numbers, rounded at random keyed by (seed, iteration, row),
 * and writes their sums over the thread's rows to `threadTotals`.
 */
export function quantiseGradients(
  thread: Thread,
  { gradientUnit, hessianUnit, countRadix }: Quantisation,
  { seed, iteration }: { readonly seed: number; readonly iteration: number },
): void {
  const { packed, threadTotals } = thread.memory;
  const gradients = packed[0]!;
  const hessians = packed[1];
  const gradientKey = hashKey(seed, iteration, 0);
  const hessianKey = hashKey(seed, iteration, 1);
  let first = 0;
  let second = 0;
  forOwnBlocks(thread, (from, to) => {
    for (let row = from; row < to; row++) {
      const gradient = Math.floor(gradients[row]! / gradientUnit + uniform(gradientKey, row));
      if (hessians === undefined) {
        first += gradients[row] = gradient * countRadix + 1;
      } else {
        first += gradients[row] = gradient;
        const hessian = Math.floor(hessians[row]! / hessianUnit + uniform(hessianKey, row));
        second += hessians[row] = hessian * countRadix + 1;
      }
    }
  });
  threadTotals[thread.index * packed.length] = first;
  if (hessians !== undefined) threadTotals[thread.index * packed.length + 1] = second;
}

/** Whole-number sums over some rows. */
export interface GradientSums {
  readonly gradient: number;
  readonly hessian: number;
  readonly count: number;
}

/** Splits summed histogram values into their parts; exact. */
export function unpackSums(
  objective: BoostingObjective,
  first: number,
  second: number,
  countRadix: number,
): GradientSums {
  const packed = objective === 'regression' ? first : second;
  const high = Math.floor(packed / countRadix);
  const count = packed - high * countRadix;
  return objective === 'regression'
    ? { gradient: high, hessian: count, count }
    : { gradient: first, hessian: high, count };
}
