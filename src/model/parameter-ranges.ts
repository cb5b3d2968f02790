/** Values a trainer's parameter may have; `max` left out is no bound. Read by `project` before a run and by `training` in it. */
export interface ParameterRange {
  readonly min: number;
  readonly max?: number;
  readonly isInteger?: boolean;
  /** Whether `min` itself is too small. */
  readonly isAboveMin?: boolean;
}

/** Most frequent categories that a text column keeps, whatever the trainer. */
export const CATEGORIES_RANGE = { min: 1, max: 100_000, isInteger: true } as const;

/** Ridge penalty of `linear` and `logistic`. */
export const RIDGE_RANGE = { min: 0, max: 1e12 } as const;

/** Of `logistic`, in place of the ridge penalty 1 / C. */
export const C_RANGE = { min: 1 / RIDGE_RANGE.max } as const;

// Bins are stored in one byte, and the largest count with its missing bin is 255; trees address nodes by Int32.
export const BOOSTING_RANGES = {
  nEstimators: { min: 1, max: 100_000, isInteger: true },
  learningRate: { min: 0, max: 1, isAboveMin: true },
  maxLeaves: { min: 2, max: 65_536, isInteger: true },
  maxDepth: { min: -1, max: 65_536, isInteger: true },
  minSamplesLeaf: { min: 1, max: 2 ** 31, isInteger: true },
  minSumHessian: { min: 0 },
  l2: { min: 0 },
  maxBins: { min: 2, max: 255, isInteger: true },
} as const satisfies Readonly<Record<string, ParameterRange>>;

export function fitsRange(
  value: unknown,
  { min, max = Number.MAX_VALUE, isInteger, isAboveMin }: ParameterRange,
): boolean {
  if (typeof value !== 'number' || !(value >= min && value <= max)) return false;
  return !(isInteger === true && !Number.isInteger(value)) && !(isAboveMin === true && value === min);
}

/** `a whole number from 1 to 100000`. */
export function describeRange({ min, max, isInteger, isAboveMin }: ParameterRange): string {
  const kind = isInteger === true ? 'a whole number' : 'a number';
  if (isAboveMin === true)
    return max === undefined ? `${kind} above ${min}` : `${kind} above ${min} and at most ${max}`;
  return max === undefined ? `${kind} of ${min} or more` : `${kind} from ${min} to ${max}`;
}
