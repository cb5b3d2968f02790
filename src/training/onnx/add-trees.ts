import { ML_DOMAIN, type GraphBuilder } from './graph-builder.js';

/** Binary trees in arrays: `feature` −1 marks a leaf, `x <= threshold` goes left, NaN goes where `missingLeft` says. */
export interface TreeArrays {
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  readonly missingLeft: Uint8Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly value: Float32Array;
}

export interface TreeSum {
  readonly baseScore: number;
  readonly trees: readonly TreeArrays[];
}

/** X [N, p] → baseScore + the sum of one leaf per tree, [N, 1]. */
export function addTrees(graph: GraphBuilder, model: TreeSum, X: string, output?: string): string {
  // An ensemble must have a node: one leaf of 0 stands for no tree.
  const { nodes, leaves } = flatten(model.trees.length > 0 ? model.trees : [SINGLE_LEAF]);
  return graph.node({
    op: 'TreeEnsembleRegressor',
    domain: ML_DOMAIN,
    inputs: [X],
    ...(output === undefined ? {} : { output }),
    attributes: {
      n_targets: { i: 1 },
      aggregate_function: { s: 'SUM' },
      post_transform: { s: 'NONE' },
      base_values: { floats: [model.baseScore] },
      nodes_treeids: { ints: nodes.tree },
      nodes_nodeids: { ints: nodes.id },
      nodes_featureids: { ints: nodes.feature },
      nodes_modes: { strings: nodes.mode },
      nodes_values: { floats: nodes.threshold },
      nodes_truenodeids: { ints: nodes.left },
      nodes_falsenodeids: { ints: nodes.right },
      nodes_missing_value_tracks_true: { ints: nodes.missingLeft },
      target_treeids: { ints: leaves.tree },
      target_nodeids: { ints: leaves.node },
      target_ids: { ints: leaves.tree.map(() => 0) },
      target_weights: { floats: leaves.weight },
    },
  });
}

const SINGLE_LEAF: TreeArrays = {
  feature: Int32Array.of(-1),
  threshold: Float32Array.of(0),
  missingLeft: Uint8Array.of(0),
  left: Int32Array.of(0),
  right: Int32Array.of(0),
  value: Float32Array.of(0),
};

function flatten(trees: readonly TreeArrays[]) {
  const nodes = {
    tree: [] as number[],
    id: [] as number[],
    feature: [] as number[],
    mode: [] as string[],
    threshold: [] as number[],
    left: [] as number[],
    right: [] as number[],
    missingLeft: [] as number[],
  };
  const leaves = { tree: [] as number[], node: [] as number[], weight: [] as number[] };
  trees.forEach((tree, treeId) => {
    for (let node = 0; node < tree.feature.length; node++) {
      const isLeaf = tree.feature[node]! < 0;
      nodes.tree.push(treeId);
      nodes.id.push(node);
      nodes.mode.push(isLeaf ? 'LEAF' : 'BRANCH_LEQ');
      nodes.feature.push(isLeaf ? 0 : tree.feature[node]!);
      nodes.threshold.push(isLeaf ? 0 : tree.threshold[node]!);
      nodes.left.push(isLeaf ? 0 : tree.left[node]!);
      nodes.right.push(isLeaf ? 0 : tree.right[node]!);
      nodes.missingLeft.push(isLeaf ? 0 : tree.missingLeft[node]!);
      if (!isLeaf) continue;
      leaves.tree.push(treeId);
      leaves.node.push(node);
      leaves.weight.push(tree.value[node]!);
    }
  });
  return { nodes, leaves };
}
