import type { FeatureStep, Preprocessing } from '../preprocessing/preprocessing.js';
import { ML_DOMAIN, type GraphBuilder } from './graph-builder.js';

type StandardizeStep = Extract<FeatureStep, { kind: 'standardize' }>;

/** Adds the fitted steps to the graph; gives the tensor [N, columns] that the estimator reads. */
export function addPreprocessing(graph: GraphBuilder, preprocessing: Preprocessing): string {
  const parts: string[] = [];
  const standardized = preprocessing.filter((step): step is StandardizeStep => step.kind === 'standardize');
  if (standardized.length > 0) parts.push(addStandardize(graph, standardized));
  for (const step of preprocessing) {
    if (step.kind === 'number') parts.push(step.feature);
    if (step.kind === 'ordinal') parts.push(addOrdinal(graph, step.feature, step.categories));
    // A column that was always missing has no category, so no column of the estimator reads it.
    if (step.kind === 'one_hot' && step.categories.length > 0) {
      parts.push(addOneHot(graph, step.feature, step.categories));
    }
  }
  return concat(graph, parts);
}

/** All numbers at once: one Concat, Imputer and Scaler, however many columns there are. */
function addStandardize(graph: GraphBuilder, steps: readonly StandardizeStep[]): string {
  const joined = concat(
    graph,
    steps.map((step) => step.feature),
  );
  const imputed = graph.node({
    op: 'Imputer',
    domain: ML_DOMAIN,
    inputs: [joined],
    attributes: { imputed_value_floats: { floats: steps.map((step) => step.fill) }, replaced_value_float: { f: NaN } },
  });
  return graph.node({
    op: 'Scaler',
    domain: ML_DOMAIN,
    inputs: [imputed],
    attributes: {
      offset: { floats: steps.map((step) => step.offset) },
      scale: { floats: steps.map((step) => step.scale) },
    },
  });
}

function addOrdinal(graph: GraphBuilder, feature: string, categories: readonly string[]): string {
  // The empty text is how a missing value arrives; as a key it also keeps the list from being empty.
  return graph.node({
    op: 'LabelEncoder',
    domain: ML_DOMAIN,
    inputs: [feature],
    attributes: {
      keys_strings: { strings: [...categories, ''] },
      values_floats: { floats: [...categories.map((_, index) => index), NaN] },
      default_float: { f: NaN },
    },
  });
}

function addOneHot(graph: GraphBuilder, feature: string, categories: readonly string[]): string {
  // [N, 1] → [N, 1, categories] → [N, categories]
  const encoded = graph.node({
    op: 'OneHotEncoder',
    domain: ML_DOMAIN,
    inputs: [feature],
    attributes: { cats_strings: { strings: categories }, zeros: { i: 1 } },
  });
  return graph.node({ op: 'Flatten', inputs: [encoded], attributes: { axis: { i: 1 } } });
}

function concat(graph: GraphBuilder, parts: readonly string[]): string {
  return graph.node({ op: 'Concat', inputs: parts, attributes: { axis: { i: 1 } } });
}
