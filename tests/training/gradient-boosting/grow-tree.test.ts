import { expect, test } from 'vitest';
import { boost } from '../../../src/training/gradient-boosting/boost.js';
import { resolveBoostingParameters } from '../../../src/training/gradient-boosting/boosting-parameters.js';
import type { BoostingObjective, Tree } from '../../../src/training/gradient-boosting/boosting-model.js';
import { runWorkers } from '../../../src/training/gradient-boosting/run-workers.js';
import { allocateTrainingMemory } from '../../../src/training/gradient-boosting/training-memory.js';
import { syntheticRows } from './synthetic-rows.js';

const { X, y, label } = syntheticRows(5000, 3);
const parameters = resolveBoostingParameters({ nEstimators: 3 });
const options = { parameters, seed: 1, baseScore: 0, trees: [] };

async function treesWith(objective: BoostingObjective, histograms: number, threads: number): Promise<Tree[]> {
  const target = objective === 'binary' ? label : y;
  const memory = await allocateTrainingMemory({ X, y: target, objective, parameters, threads });
  const scarce = { ...memory, leafHistograms: memory.leafHistograms.slice(0, histograms) };
  const trees: Tree[] = [];
  if (threads === 1) {
    boost({ index: 0, count: 1, memory: scarce, barrier: () => undefined }, options, ({ tree }) => trees.push(tree));
  } else {
    const onTree = ({ tree }: { tree: Tree }): void => void trees.push(tree);
    await runWorkers({ memory: scarce, threads, boost: options, signal: undefined, onTree });
  }
  return trees;
}

test.each(['regression', 'binary'] as const)(
  'room for few histograms does not change the trees (%s)',
  async (objective) => {
    const plenty = await treesWith(objective, 31, 1);
    expect(plenty.map((tree) => tree.feature.length)).toEqual([61, 61, 61]);
    expect(await treesWith(objective, 2, 1)).toEqual(plenty);
    expect(await treesWith(objective, 5, 1)).toEqual(plenty);
    expect(await treesWith(objective, 2, 3)).toEqual(plenty);
  },
);
