import type { BoostingObjective, BoostingParameters, FloatMatrix } from './boosting-model.js';
import { BARRIER_WORDS } from './barrier.js';

/** Bins a feature's histogram has room for: what one byte can name. */
export const BIN_ROOM = 256;
/** Features whose bins share one 32-bit word. */
export const FEATURES_IN_WORD = 4;
/** Rows go to threads by blocks of this many in turn, and float sums are made block by block: threads do not change them. */
export const ROW_BLOCK = 256;
/** Float sums a block of rows: |gradient|, hessian, loss. */
export const BLOCK_SUMS = 3;
/** Numbers that describe a split, see best-split.ts. */
export const SPLIT_FIELDS = 7;
// LightGBM keeps every histogram; past this many bytes ours are built again when they are needed.
const HISTOGRAM_BUDGET_BYTES = 512 * 2 ** 20;

/** Everything the threads of one fit share; all arrays lie on SharedArrayBuffers. */
export interface TrainingMemory {
  readonly rows: number;
  readonly features: number;
  readonly objective: BoostingObjective;
  readonly columns: readonly Float32Array[];
  readonly y: Float64Array;
  /** features × BIN_ROOM: upper bounds of the bins, Infinity from the last on. */
  readonly bounds: Float32Array;
  /** Bins of a feature without the one for missing values, which comes right after them. */
  readonly binCounts: Int32Array;
  readonly hasMissing: Uint8Array;
  /** rows × words a row; byte `p` of a row is the bin of the `p`-th feature that varies. */
  readonly words: Int32Array;
  /** Sum of base score and leaves so far. */
  readonly scores: Float64Array;
  /** One array a histogram value, see gradients.ts. */
  readonly packed: readonly Float64Array[];
  /** ⌈rows / ROW_BLOCK⌉ × BLOCK_SUMS */
  readonly blockSums: Float64Array;
  /** Sums of the packed values over a thread's rows: threads × histogram values. */
  readonly threadTotals: Float64Array;
  /** A histogram a thread, over its own rows. */
  readonly threadHistograms: readonly Float64Array[];
  /** Histograms over all rows of a leaf, handed from leaf to leaf. */
  readonly leafHistograms: readonly Float64Array[];
  /** threads × 2 children × SPLIT_FIELDS */
  readonly splits: Float64Array;
  readonly barrier: Int32Array;
}

/**
 * Histogram values a bin: for regression one, gradient and count packed; for binary two, the gradient, and hessian
 * and count packed.
 */
export function histogramValues(objective: BoostingObjective): 1 | 2 {
  return objective === 'regression' ? 1 : 2;
}

/** Allocates the memory of one fit and copies X and y into it, letting other work run between columns. */
export async function allocateTrainingMemory(options: {
  readonly X: FloatMatrix;
  readonly y: Float64Array;
  readonly objective: BoostingObjective;
  readonly parameters: BoostingParameters;
  readonly threads: number;
}): Promise<TrainingMemory> {
  const { X, y, objective, parameters, threads } = options;
  const { rows } = X;
  const features = X.columns.length;
  const values = histogramValues(objective);
  const wordsInRow = Math.ceil(features / FEATURES_IN_WORD);
  const histogramLength = wordsInRow * FEATURES_IN_WORD * BIN_ROOM * values;
  const mostLeaves = Math.min(parameters.maxLeaves, Math.max(2, Math.floor(rows / parameters.minSamplesLeaf)));
  const kept = Math.max(2, Math.min(mostLeaves, Math.floor(HISTOGRAM_BUDGET_BYTES / (histogramLength * 8))));
  const columns: Float32Array[] = [];
  for (const column of X.columns) {
    columns.push(shareFloat32(column));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const sharedY = sharedFloat64(rows);
  sharedY.set(y);
  return {
    rows,
    features,
    objective,
    columns,
    y: sharedY,
    bounds: new Float32Array(new SharedArrayBuffer(features * BIN_ROOM * 4)),
    binCounts: new Int32Array(new SharedArrayBuffer(features * 4)),
    hasMissing: new Uint8Array(new SharedArrayBuffer(features)),
    words: new Int32Array(new SharedArrayBuffer(rows * wordsInRow * 4)),
    scores: sharedFloat64(rows),
    packed: Array.from({ length: values }, () => sharedFloat64(rows)),
    blockSums: sharedFloat64(Math.ceil(rows / ROW_BLOCK) * BLOCK_SUMS),
    threadTotals: sharedFloat64(threads * values),
    threadHistograms: Array.from({ length: threads }, () => sharedFloat64(histogramLength)),
    leafHistograms: Array.from({ length: kept }, () => sharedFloat64(histogramLength)),
    splits: sharedFloat64(threads * 2 * SPLIT_FIELDS),
    barrier: new Int32Array(new SharedArrayBuffer(BARRIER_WORDS * 4)),
  };
}

function sharedFloat64(length: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(length * 8));
}

function shareFloat32(column: Float32Array): Float32Array {
  if (column.buffer instanceof SharedArrayBuffer) return column;
  const shared = new Float32Array(new SharedArrayBuffer(column.length * 4));
  shared.set(column);
  return shared;
}
