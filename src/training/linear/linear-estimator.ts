import { RIDGE_RANGE } from '../../model/parameter-ranges.js';
import type { TrainerConfig } from '../../model/project.js';
import type { FittedEstimator } from '../estimator.js';
import type { Feature } from '../features.js';
import { Pace } from '../../table/pace.js';
import { readParameters } from '../parameters.js';
import { CATEGORY_LIMIT } from '../preprocessing/categories.js';
import { fitLinearPreprocessing, transformFeatures } from '../preprocessing/preprocessing.js';
import type { TrainingProgress } from '../trained-model.js';
import { fitLogistic, sigmoid } from './fit-logistic.js';
import { fitRidge } from './fit-ridge.js';
import { linearEffects, predictLinear } from './linear-model.js';

const RULES = { l2: { default: 1, ...RIDGE_RANGE }, maxCategories: CATEGORY_LIMIT } as const;

/** `linear` (ridge) or `logistic` on imputed, standardized and one-hot encoded features. */
export async function fitLinearEstimator(options: {
  readonly features: readonly Feature[];
  readonly y: Float64Array;
  readonly trainer: TrainerConfig;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrainingProgress) => void;
}): Promise<FittedEstimator> {
  const { features, trainer } = options;
  const parameters = readParameters(withL2(trainer), RULES);
  const pace = new Pace(options.signal);
  const preprocessing = await fitLinearPreprocessing(features, parameters.maxCategories, pace);
  const X = await transformFeatures(features, preprocessing, pace);
  const isLogistic = trainer.type === 'logistic';
  const model = await (isLogistic ? fitLogistic : fitRidge)({ ...options, X, l2: parameters.l2 });
  return {
    preprocessing,
    parameters,
    scorer: { kind: 'linear', ...model },
    predict: (rows) => {
      const scores = predictLinear(model, rows);
      return isLogistic ? scores.map((score) => Math.fround(sigmoid(score))) : scores;
    },
    importance: await linearEffects(model, X, pace),
  };
}

/** scikit-learn's `C` of a logistic regression is 1 / l2. */
function withL2(trainer: TrainerConfig): TrainerConfig {
  const { C, ...others } = trainer.parameters;
  if (trainer.type !== 'logistic' || C === undefined || 'l2' in others) return trainer;
  return { ...trainer, parameters: { ...others, l2: 1 / C } };
}
