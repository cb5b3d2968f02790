import type { FloatMatrix } from '../float-matrix.js';

export type { FloatMatrix };

export type BoostingObjective = 'regression' | 'binary';

/** LightGBM's parameters, meanings and defaults, in camelCase. */
export interface BoostingParameters {
  /** Trees. @default 100 */
  readonly nEstimators: number;
  /** Shrinks every leaf, 0 < rate ≤ 1. @default 0.1 */
  readonly learningRate: number;
  /** Leaves a tree, 2 to 65,536. @default 31 */
  readonly maxLeaves: number;
  /** Splits from root to leaf; 0 or below: no limit. @default -1 */
  readonly maxDepth: number;
  /** Fewest training rows in a leaf. @default 20 */
  readonly minSamplesLeaf: number;
  /** Smallest sum of second derivatives in a leaf. @default 1e-3 */
  readonly minSumHessian: number;
  /** Ridge penalty on leaf values, lambda. @default 0 */
  readonly l2: number;
  /** Histogram bins a feature, the one for missing values included, 2 to 255. @default 255 */
  readonly maxBins: number;
}

/**
 * One tree as parallel arrays; node 0 is the root, children follow their parent.
 * A row goes left when `x <= threshold`; a missing value goes left when `missingLeft` is 1.
 */
export interface Tree {
  /** Column of the matrix; -1 in a leaf. */
  readonly feature: Int32Array;
  /** Infinity: everything but missing goes left. 0 in a leaf. */
  readonly threshold: Float32Array;
  readonly missingLeft: Uint8Array;
  /** Node numbers; 0 in a leaf. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** What the leaf adds, learning rate included; 0 in an inner node. */
  readonly value: Float32Array;
}

export interface BoostingModel {
  readonly objective: BoostingObjective;
  /** Added once to the sum of leaves: the mean of y, or its log-odds; a float32 number. */
  readonly baseScore: number;
  /** At least one; fewer than `nEstimators` when no further split lowers the loss. */
  readonly trees: readonly Tree[];
  readonly nFeatures: number;
  /** Sum of split gains, length nFeatures. */
  readonly importance: Float64Array;
}

/** `loss` on the training rows after the iteration: mean squared error, or mean log loss. */
export interface BoostingProgress {
  readonly iteration: number;
  readonly of: number;
  readonly loss: number;
}

/** Where a fit leaves its state; `load` gives back the last bytes saved, or undefined. */
export interface BoostingCheckpoint {
  load(): Promise<Uint8Array | undefined>;
  save(bytes: Uint8Array): Promise<void>;
  /** @default 10 */
  readonly everyIterations?: number;
}

export interface FitBoostingOptions {
  readonly X: FloatMatrix;
  /** Length `X.rows`; 0 or 1 for `binary`. */
  readonly y: Float64Array;
  readonly objective: BoostingObjective;
  /** Missing ones take their default; unknown names are errors. */
  readonly parameters?: Partial<BoostingParameters>;
  readonly seed: number;
  /** Worker threads; the model does not depend on it. @default as many cores as the data keeps busy */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BoostingProgress) => void;
  readonly checkpoint?: BoostingCheckpoint;
}
