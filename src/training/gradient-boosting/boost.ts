import { binColumns } from './bin-columns.js';
import type { BoostingParameters, Tree } from './boosting-model.js';
import { chooseQuantisation, computeGradients, meanLoss, quantiseGradients } from './gradients.js';
import { createTreeGrower, type GrownTree } from './grow-tree.js';
import { addLeaves } from './predict-gradient-boosting.js';
import { forOwnBlocks, ownRows, type Thread } from './thread.js';

export interface BoostOptions {
  readonly parameters: BoostingParameters;
  readonly seed: number;
  readonly baseScore: number;
  /** Trees of an earlier attempt with the same data, parameters and seed. */
  readonly trees: readonly Tree[];
}

export interface GrownIteration {
  /** Counts from 1. */
  readonly iteration: number;
  readonly loss: number;
  readonly tree: Tree;
  readonly gains: Float64Array;
}

/**
 * What every thread of a fit runs: bins, then tree after tree until there are enough or none lowers the loss. The
 * result is the same in all threads; each calls `onTree` for every tree after its rows' scores include it.
 */
export function boost(thread: Thread, options: BoostOptions, onTree: (grown: GrownIteration) => void): void {
  const { parameters, seed, trees } = options;
  const columns = binColumns(thread, { maxBins: parameters.maxBins, seed });
  const rows = ownRows(thread);
  const growTree = createTreeGrower({ thread, columns, rows, parameters });
  startScores(thread, options);
  computeGradients(thread);
  thread.barrier(); // block sums of all threads
  for (let iteration = trees.length; iteration < parameters.nEstimators; iteration++) {
    const quantisation = chooseQuantisation(thread);
    quantiseGradients(thread, quantisation, { seed, iteration });
    const grown = growTree(quantisation);
    const isStump = grown.leaves.length === 1;
    if (isStump && iteration > 0) return;
    addTree(thread, grown);
    computeGradients(thread);
    thread.barrier();
    onTree({ iteration: iteration + 1, loss: meanLoss(thread), tree: grown.tree, gains: grown.gains });
    if (isStump) return;
  }
}

function startScores(thread: Thread, { baseScore, trees }: BoostOptions): void {
  const { scores, columns, rows } = thread.memory;
  forOwnBlocks(thread, (from, to) => {
    scores.fill(baseScore, from, to);
    for (const tree of trees) addLeaves(tree, { rows, columns }, scores, from, to);
  });
}

function addTree({ memory: { scores } }: Thread, { leaves }: GrownTree): void {
  for (const { rows, value } of leaves) {
    for (let index = rows.from; index < rows.to; index++) scores[rows.rows[index]!]! += value;
  }
}
