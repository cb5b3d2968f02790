import type { TrainerConfig } from '../model/project.js';
import type { Task } from '../model/training-set.js';
import type { FittedEstimator } from './estimator.js';
import type { Feature } from './features.js';
import type { BoostingCheckpoint } from './gradient-boosting/boosting-model.js';
import { fitGradientBoosting } from './gradient-boosting/fit-gradient-boosting.js';
import { predictGradientBoosting } from './gradient-boosting/predict-gradient-boosting.js';
import { resolveBoostingParameters } from './gradient-boosting/boosting-parameters.js';
import { Pace } from '../table/pace.js';
import { readParameters } from './parameters.js';
import { CATEGORY_LIMIT } from './preprocessing/categories.js';
import { fitTreePreprocessing, transformFeatures } from './preprocessing/preprocessing.js';
import type { TrainingProgress } from './trained-model.js';

/** `gradient_boosting` on features as they are: missing values stay missing, categories become positions. */
export async function fitBoostingEstimator(options: {
  readonly features: readonly Feature[];
  readonly y: Float64Array;
  readonly task: Task;
  readonly trainer: TrainerConfig;
  readonly seed: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrainingProgress) => void;
  readonly checkpoint?: BoostingCheckpoint;
}): Promise<FittedEstimator> {
  const { features, trainer, task, ...rest } = options;
  const { maxCategories: limit, ...others } = trainer.parameters;
  const boosting = resolveBoostingParameters(others);
  const { maxCategories } = readParameters(
    { ...trainer, parameters: limit === undefined ? {} : { maxCategories: limit } },
    { maxCategories: CATEGORY_LIMIT },
  );
  const pace = new Pace(options.signal);
  const preprocessing = await fitTreePreprocessing(features, maxCategories, pace);
  const model = await fitGradientBoosting({
    ...rest,
    X: await transformFeatures(features, preprocessing, pace),
    objective: task,
    parameters: boosting,
  });
  return {
    preprocessing,
    parameters: { ...boosting, maxCategories },
    scorer: { kind: 'trees', baseScore: model.baseScore, trees: model.trees },
    predict: (X) => predictGradientBoosting(model, X),
    importance: model.importance,
  };
}
