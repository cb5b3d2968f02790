import type { BoostingParameters, Tree } from './boosting-model.js';
import type { GradientSums, Quantisation } from './gradients.js';

export interface NodeSplit {
  readonly gain: number;
  readonly feature: number;
  readonly threshold: number;
  readonly missingLeft: boolean;
}

/** Collects the nodes of one growing tree. */
export interface TreeBuilder {
  readonly root: number;
  /** Makes an inner node of a leaf; returns its children. */
  split(node: number, split: NodeSplit): [number, number];
  /** Gives a leaf its value, −G / (H + λ) × learning rate as float32. */
  setLeaf(node: number, sums: GradientSums): void;
  build(): { readonly tree: Tree; readonly gains: Float64Array };
}

export function createTreeBuilder(
  { l2, learningRate }: BoostingParameters,
  { gradientUnit, hessianUnit }: Quantisation,
): TreeBuilder {
  const splits: (NodeSplit | undefined)[] = [undefined];
  const left: number[] = [0];
  const right: number[] = [0];
  const value: number[] = [0];
  return {
    root: 0,
    split(node, split) {
      splits[node] = split;
      left[node] = addNode();
      right[node] = addNode();
      return [left[node], right[node]];
    },
    setLeaf(node, { gradient, hessian }) {
      const curvature = hessian * hessianUnit + l2;
      value[node] = curvature > 0 ? Math.fround(((-gradient * gradientUnit) / curvature) * learningRate) : 0;
    },
    build: () => ({
      tree: {
        feature: Int32Array.from(splits, (split) => split?.feature ?? -1),
        threshold: Float32Array.from(splits, (split) => split?.threshold ?? 0),
        missingLeft: Uint8Array.from(splits, (split) => (split?.missingLeft === true ? 1 : 0)),
        left: Int32Array.from(left),
        right: Int32Array.from(right),
        value: Float32Array.from(value),
      },
      gains: Float64Array.from(splits, (split) => split?.gain ?? 0),
    }),
  };

  function addNode(): number {
    splits.push(undefined);
    left.push(0);
    right.push(0);
    value.push(0);
    return splits.length - 1;
  }
}
