import type { LinearModel } from '../linear/linear-model.js';
import { SCORE_LIMIT } from '../preprocessing/standardize.js';
import type { GraphBuilder } from './graph-builder.js';
import { elementTypes } from './onnx-proto.js';

/** X [N, p] → X · coefficients + intercept, [N, 1]; within ±SCORE_LIMIT and in float64 between two casts, as training computes it. */
export function addLinear(graph: GraphBuilder, model: LinearModel, X: string, output?: string): string {
  const weights = graph.constant(model.coefficients, [model.coefficients.length, 1]);
  const intercept = graph.constant([model.intercept], [1]);
  const limits = [graph.constant([-SCORE_LIMIT], []), graph.constant([SCORE_LIMIT], [])];
  const scores = graph.node({ op: 'Clip', inputs: [cast(graph, X, 'FP64'), ...limits] });
  const sum = graph.node({ op: 'Gemm', inputs: [scores, weights, intercept] });
  return cast(graph, sum, 'FP32', output);
}

function cast(graph: GraphBuilder, tensor: string, to: keyof typeof elementTypes, output?: string): string {
  const attributes = { to: { i: elementTypes[to] } };
  return graph.node({ op: 'Cast', inputs: [tensor], attributes, ...(output === undefined ? {} : { output }) });
}
