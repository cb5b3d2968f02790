import type { ModelSignature } from '../../model/signature.js';
import type { LinearModel } from '../linear/linear-model.js';
import type { Preprocessing } from '../preprocessing/preprocessing.js';
import { addLinear } from './add-linear.js';
import { addPreprocessing } from './add-preprocessing.js';
import { addTrees, type TreeSum } from './add-trees.js';
import { GraphBuilder } from './graph-builder.js';

export type Scorer = ({ readonly kind: 'linear' } & LinearModel) | ({ readonly kind: 'trees' } & TreeSum);

/**
 * The whole model as one ONNX graph: a named input per feature, preprocessing, scores, and for a binary task the
 * probability of 1. Deterministic: equal parts give equal bytes.
 * @param metadata written into the file as it is, e.g. the training set's hash
 */
export function exportOnnx(model: {
  readonly signature: ModelSignature;
  readonly preprocessing: Preprocessing;
  readonly scorer: Scorer;
  readonly metadata: Readonly<Record<string, string>>;
}): Uint8Array {
  const { signature, scorer } = model;
  const output = signature.outputs[0]!.name;
  const graph = new GraphBuilder([...signature.inputs.map((input) => input.name), output]);
  for (const input of signature.inputs) graph.input(input.name, input.datatype);
  const X = addPreprocessing(graph, model.preprocessing);
  const isBinary = signature.task === 'binary';
  const scoreName = isBinary ? undefined : output;
  const score =
    scorer.kind === 'linear' ? addLinear(graph, scorer, X, scoreName) : addTrees(graph, scorer, X, scoreName);
  if (isBinary) graph.node({ op: 'Sigmoid', inputs: [score], output });
  graph.output(output);
  return graph.build(model.metadata);
}
