import type { ModelInput, ModelSignature } from '../model/signature.js';
import type { Task } from '../model/training-set.js';
import type { Feature } from './features.js';
import type { Preprocessing } from './preprocessing/preprocessing.js';

/**
 * What the model takes and gives. Missing values are known where the training or the held-out rows have one: those are the
 * rows that the model was made from and measured on. Both name the same features in the same order.
 */
export function modelSignature(
  task: Task,
  train: readonly Feature[],
  heldOut: readonly Feature[],
  preprocessing: Preprocessing,
): ModelSignature {
  return {
    task,
    inputs: train.map((feature, index) =>
      modelInput(feature, hasMissing(feature) || hasMissing(heldOut[index]!), preprocessing),
    ),
    outputs: [{ name: outputName(task, train), datatype: 'FP32', shape: [-1, 1] }],
  };
}

function hasMissing(feature: Feature): boolean {
  return feature.kind === 'number' ? feature.values.includes(NaN) : feature.values.includes(null);
}

function modelInput({ name, kind }: Feature, nullable: boolean, preprocessing: Preprocessing): ModelInput {
  if (kind === 'number') return { name, datatype: 'FP32', nullable };
  const step = preprocessing.find((one) => one.feature === name);
  const categories = step !== undefined && 'categories' in step ? step.categories : [];
  return { name, datatype: 'BYTES', nullable, categories };
}

/** A graph's output cannot bear the name of one of its inputs. */
function outputName(task: Task, features: readonly Feature[]): string {
  let name = task === 'binary' ? 'probability' : 'prediction';
  while (features.some((feature) => feature.name === name)) name += '_';
  return name;
}
