import type { ModelInput, ModelSignature } from '../model/signature.js';
import type { Task } from '../model/training-set.js';
import type { Feature } from './features.js';
import type { Preprocessing } from './preprocessing/preprocessing.js';

/** What the model takes and gives; `features` are the training rows, which say where missing values are known. */
export function modelSignature(task: Task, features: readonly Feature[], preprocessing: Preprocessing): ModelSignature {
  return {
    task,
    inputs: features.map((feature) => modelInput(feature, preprocessing)),
    outputs: [{ name: outputName(task, features), datatype: 'FP32', shape: [-1, 1] }],
  };
}

function modelInput(feature: Feature, preprocessing: Preprocessing): ModelInput {
  const { name } = feature;
  if (feature.kind === 'number') return { name, datatype: 'FP32', nullable: feature.values.includes(NaN) };
  const step = preprocessing.find((one) => one.feature === name);
  const categories = step !== undefined && 'categories' in step ? step.categories : [];
  return { name, datatype: 'BYTES', nullable: feature.values.includes(null), categories };
}

/** A graph's output cannot bear the name of one of its inputs. */
function outputName(task: Task, features: readonly Feature[]): string {
  let name = task === 'binary' ? 'probability' : 'prediction';
  while (features.some((feature) => feature.name === name)) name += '_';
  return name;
}
