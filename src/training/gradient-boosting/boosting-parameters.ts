import { closest } from 'fastest-levenshtein';
import { TerminalError } from '../../errors.js';
import type { BoostingParameters } from './boosting-model.js';

export const boostingDefaults: BoostingParameters = {
  nEstimators: 100,
  learningRate: 0.1,
  maxLeaves: 31,
  maxDepth: -1,
  minSamplesLeaf: 20,
  minSumHessian: 1e-3,
  l2: 0,
  maxBins: 255,
};

interface Range {
  readonly whole: boolean;
  readonly min: number;
  readonly max: number;
}

// Bins are stored in one byte, and the largest count with its missing bin is 255; trees address nodes by Int32.
const ranges: Readonly<Record<keyof BoostingParameters, Range>> = {
  nEstimators: { whole: true, min: 1, max: 100_000 },
  learningRate: { whole: false, min: Number.MIN_VALUE, max: 1 },
  maxLeaves: { whole: true, min: 2, max: 65_536 },
  maxDepth: { whole: true, min: -1, max: 65_536 },
  minSamplesLeaf: { whole: true, min: 1, max: 2 ** 31 },
  minSumHessian: { whole: false, min: 0, max: Number.MAX_VALUE },
  l2: { whole: false, min: 0, max: Number.MAX_VALUE },
  maxBins: { whole: true, min: 2, max: 255 },
};

/**
 * Fills in LightGBM's defaults.
 * @throws TerminalError TRAIN_PARAMETER_UNKNOWN (names the nearest name), TRAIN_PARAMETER_INVALID; a retry does not help
 */
export function resolveBoostingParameters(given: Readonly<Record<string, unknown>> = {}): BoostingParameters {
  const resolved: Record<string, number> = { ...boostingDefaults };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!isParameter(name)) {
      const nearest = closest(name, Object.keys(ranges));
      throw new TerminalError(
        'TRAIN_PARAMETER_UNKNOWN',
        `Reading the parameters of gradient boosting: ${JSON.stringify(name)} is not one of ${Object.keys(ranges).join(', ')}.`,
        { details: { parameter: name, nearest }, next: `Write ${nearest}, or leave it out.` },
      );
    }
    const { whole, min, max } = ranges[name];
    const fits = typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value));
    if (!fits) {
      throw new TerminalError(
        'TRAIN_PARAMETER_INVALID',
        `Reading the parameters of gradient boosting: ${name} is ${JSON.stringify(value)}, expected ${expected(name)}.`,
        {
          details: { parameter: name, value },
          next: `Change ${name}, or leave it out for ${boostingDefaults[name]}.`,
        },
      );
    }
    resolved[name] = value;
  }
  return resolved as unknown as BoostingParameters; // every key of the defaults is present and checked
}

function isParameter(name: string): name is keyof BoostingParameters {
  return Object.hasOwn(ranges, name);
}

function expected(name: keyof BoostingParameters): string {
  const { whole, min, max } = ranges[name];
  if (name === 'learningRate') return 'a number above 0 and at most 1';
  return `${whole ? 'a whole number' : 'a number'} ${max === Number.MAX_VALUE ? `of ${min} or more` : `from ${min} to ${max}`}`;
}
