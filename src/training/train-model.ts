import { TerminalError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { TrainerConfig } from '../model/project.js';
import type { TrainingSet } from '../model/training-set.js';
import type { ColumnTable } from '../table/column-table.js';
import { Pace } from '../table/pace.js';
import { fitBoostingEstimator } from './boosting-estimator.js';
import type { FittedEstimator } from './estimator.js';
import { readFeatures, type Feature } from './features.js';
import type { BoostingCheckpoint } from './gradient-boosting/boosting-model.js';
import { fitLinearEstimator } from './linear/linear-estimator.js';
import { evaluateMetrics } from './metrics/evaluate-metrics.js';
import { modelSignature } from './model-signature.js';
import { exportOnnx } from './onnx/export-onnx.js';
import { predictInBlocks } from './predict-in-blocks.js';
import { columnFeatures, transformFeatures } from './preprocessing/preprocessing.js';
import type { FeatureImportance, TrainedModel, TrainingProgress } from './trained-model.js';
import { splitRows } from './training-rows.js';

export interface TrainModelOptions {
  readonly trainingSet: TrainingSet;
  /** The training set's rows, with the target, every feature and the split column. */
  readonly table: ColumnTable;
  readonly trainer: TrainerConfig;
  readonly seed: number;
  /** Worker threads of boosting; the model does not depend on it. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrainingProgress) => void;
  /** Boosting saves its trees here and goes on from them after a crash; one checkpoint belongs to one fit. */
  readonly checkpoint?: BoostingCheckpoint;
}

/**
 * Fits preprocessing and estimator on the training rows, measures them on the held-out rows and exports one ONNX graph.
 * Features are cast to float32 first, so that training, these predictions and serving see the same numbers.
 *
 * Throws TerminalErrors `TRAIN_*` (bad input: a retry gives the same) and rejects with the signal's reason when aborted.
 */
export async function trainModel(options: TrainModelOptions): Promise<TrainedModel> {
  const { trainingSet, table } = options;
  assertTrainerFitsTask(options.trainer, trainingSet);
  const { train, test } = splitRows(trainingSet, table);
  const pace = new Pace(options.signal);
  const trainFeatures = await readFeatures(trainingSet, table, train.rows, pace);
  const testFeatures = await readFeatures(trainingSet, table, test.rows, pace);
  const estimator = await fitEstimator(options, trainFeatures, train.y);
  await failpoint('train.after-fit');

  const { preprocessing, parameters } = estimator;
  const predict = async (features: readonly Feature[]): Promise<Float64Array> =>
    predictInBlocks(estimator.predict, await transformFeatures(features, preprocessing, pace), options.signal);
  const predictions = await predict(testFeatures);
  const trainPredictions = await predict(trainFeatures);
  const signature = modelSignature(trainingSet.task, trainFeatures, testFeatures, preprocessing);
  const onnx = exportOnnx({
    signature,
    preprocessing,
    scorer: estimator.scorer,
    metadata: {
      producer: 'plumbline',
      task: trainingSet.task,
      trainer: options.trainer.type,
      target: trainingSet.target,
      features: JSON.stringify(trainFeatures.map((feature) => feature.name)),
      training_set_sha256: trainingSet.artifact.sha256,
    },
  });
  return {
    onnx,
    signature,
    predictions,
    metrics: await evaluateMetrics(trainingSet.task, test.y, predictions, pace),
    trainMetrics: await evaluateMetrics(trainingSet.task, train.y, trainPredictions, pace),
    parameters,
    importance: importanceByFeature(trainFeatures, estimator),
    preprocessing,
  };
}

function assertTrainerFitsTask(trainer: TrainerConfig, { task, target }: TrainingSet): void {
  const wanted = { linear: 'regression', logistic: 'binary', gradient_boosting: task }[trainer.type];
  if (wanted === task) return;
  throw new TerminalError(
    'TRAIN_TASK_MISMATCH',
    `The trainer ${trainer.type} learns ${wanted} targets, but ${target} is a ${task} target` +
      `${task === 'binary' ? ' (only 0 and 1)' : ''}.`,
    {
      details: { trainer: trainer.type, task, target },
      next: `Set train.trainer to ${task === 'binary' ? 'logistic' : 'linear'} or gradient_boosting.`,
    },
  );
}

function fitEstimator(options: TrainModelOptions, features: Feature[], y: Float64Array): Promise<FittedEstimator> {
  const { trainer, seed, threads, signal, onProgress, checkpoint } = options;
  const shared = {
    features,
    y,
    trainer,
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  if (trainer.type !== 'gradient_boosting') return fitLinearEstimator(shared);
  return fitBoostingEstimator({
    ...shared,
    task: options.trainingSet.task,
    seed,
    ...(threads === undefined ? {} : { threads }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  });
}

function importanceByFeature(features: readonly Feature[], estimator: FittedEstimator): FeatureImportance[] {
  const gains = new Map(features.map((feature) => [feature.name, 0]));
  columnFeatures(estimator.preprocessing).forEach((feature, column) => {
    gains.set(feature, gains.get(feature)! + estimator.importance[column]!);
  });
  return [...gains].map(([feature, gain]) => ({ feature, gain })).sort((a, b) => b.gain - a.gain);
}
