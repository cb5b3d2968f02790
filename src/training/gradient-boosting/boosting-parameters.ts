import { closest } from 'fastest-levenshtein';
import { TerminalError } from '../../errors.js';
import { BOOSTING_RANGES, describeRange, fitsRange, type ParameterRange } from '../../model/parameter-ranges.js';
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

const ranges: Readonly<Record<keyof BoostingParameters, ParameterRange>> = BOOSTING_RANGES;

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
    if (!fitsRange(value, ranges[name])) {
      throw new TerminalError(
        'TRAIN_PARAMETER_INVALID',
        `Reading the parameters of gradient boosting: ${name} is ${JSON.stringify(value)}, expected ${describeRange(ranges[name])}.`,
        {
          details: { parameter: name, value },
          next: `Change ${name}, or leave it out for ${boostingDefaults[name]}.`,
        },
      );
    }
    resolved[name] = value as number; // a range holds numbers only
  }
  return resolved as unknown as BoostingParameters; // every key of the defaults is present and checked
}

function isParameter(name: string): name is keyof BoostingParameters {
  return Object.hasOwn(ranges, name);
}
