import type { Feature } from '../features.js';
import { Pace } from '../../table/pace.js';
import type { FloatMatrix } from '../float-matrix.js';
import { fitCategories } from './categories.js';
import { fitImpute, impute, type ImputeParameters } from './impute.js';
import { oneHotEncode } from './one-hot-encode.js';
import { ordinalEncode } from './ordinal-encode.js';
import { fitStandardize, standardize, type StandardizeParameters } from './standardize.js';

/** What happens to one feature on its way into the estimator. Plain JSON. */
export type FeatureStep =
  | ({ readonly kind: 'standardize'; readonly feature: string } & ImputeParameters & StandardizeParameters)
  /** One column per category; missing and unknown are 0 everywhere. */
  | { readonly kind: 'one_hot'; readonly feature: string; readonly categories: readonly string[] }
  /** As it is, missing stays NaN. */
  | { readonly kind: 'number'; readonly feature: string }
  /** Position among the categories; missing and unknown are NaN. */
  | { readonly kind: 'ordinal'; readonly feature: string; readonly categories: readonly string[] };

/** Fitted steps in the order of the estimator's columns, which for linear models is numbers first. */
export type Preprocessing = readonly FeatureStep[];

/** Median and standard score for numbers, one-hot for text. Fit on training rows only. */
export async function fitLinearPreprocessing(
  features: readonly Feature[],
  maxCategories: number,
  pace = new Pace(),
): Promise<Preprocessing> {
  const numbers: FeatureStep[] = [];
  const texts: FeatureStep[] = [];
  for (const feature of features) {
    if (feature.kind === 'number') {
      const filled = await fitImpute(feature.values, pace);
      const scaled = await fitStandardize(impute(feature.values, filled), pace);
      await pace.after(feature.values.length);
      numbers.push({ kind: 'standardize', feature: feature.name, ...filled, ...scaled });
    } else {
      const categories = await fitCategories(feature.values, maxCategories, pace);
      texts.push({ kind: 'one_hot', feature: feature.name, categories });
    }
  }
  return [...numbers, ...texts];
}

/** Trees take numbers as they are, missing included, and text as positions. Fit on training rows only. */
export async function fitTreePreprocessing(
  features: readonly Feature[],
  maxCategories: number,
  pace = new Pace(),
): Promise<Preprocessing> {
  const steps: FeatureStep[] = [];
  for (const feature of features) {
    if (feature.kind === 'number') {
      steps.push({ kind: 'number', feature: feature.name });
    } else {
      const categories = await fitCategories(feature.values, maxCategories, pace);
      steps.push({ kind: 'ordinal', feature: feature.name, categories });
    }
  }
  return steps;
}

/** The estimator's columns. The features' order does not matter; each step finds its own by name. */
export async function transformFeatures(
  features: readonly Feature[],
  preprocessing: Preprocessing,
  pace = new Pace(),
): Promise<FloatMatrix> {
  const byName = new Map(features.map((feature) => [feature.name, feature]));
  const columns: Float32Array[] = [];
  for (const step of preprocessing) columns.push(...(await transformStep(byName.get(step.feature), step, pace)));
  return { rows: features[0]?.values.length ?? 0, columns };
}

/** For each of the estimator's columns, the feature it comes from. */
export function columnFeatures(preprocessing: Preprocessing): string[] {
  return preprocessing.flatMap((step) =>
    step.kind === 'one_hot' ? step.categories.map(() => step.feature) : [step.feature],
  );
}

async function transformStep(feature: Feature | undefined, step: FeatureStep, pace: Pace): Promise<Float32Array[]> {
  if (feature === undefined) throw new RangeError(`preprocessing has no column for the feature "${step.feature}"`);
  if (feature.kind === 'number') {
    if (step.kind === 'number') return [feature.values];
    if (step.kind === 'standardize') {
      const { values } = feature;
      const scores = new Float32Array(values.length);
      const score = (from: number, to: number): void =>
        scores.set(standardize(impute(values.subarray(from, to), step), step), from);
      await pace.overRows(values.length, score, 2);
      return [scores];
    }
  } else {
    if (step.kind === 'one_hot') return oneHotEncode(feature.values, step.categories, pace);
    if (step.kind === 'ordinal') return [await ordinalEncode(feature.values, step.categories, pace)];
  }
  throw new RangeError(`preprocessing expected another kind of values for "${step.feature}" (${step.kind})`);
}
