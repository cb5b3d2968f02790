import { betterOf, findBestSplit, readSplit, writeSplit, type Split, type SplitSearch } from './best-split.js';
import type { BinnedColumns } from './bin-columns.js';
import type { BoostingParameters, Tree } from './boosting-model.js';
import { unpackSums, type GradientSums, type Quantisation } from './gradients.js';
import { buildHistogram, subtractHistogram, sumHistograms, type LeafRows } from './histogram.js';
import { BIN_ROOM, FEATURES_IN_WORD, histogramValues } from './training-memory.js';
import type { Thread } from './thread.js';
import { createTreeBuilder, type TreeBuilder } from './tree-builder.js';

export interface GrownTree {
  readonly tree: Tree;
  /** Gain by node; 0 in leaves. */
  readonly gains: Float64Array;
  /** This thread's rows of each leaf and the value they get. */
  readonly leaves: readonly { readonly rows: LeafRows; readonly value: number }[];
}

interface Leaf {
  readonly node: number;
  readonly depth: number;
  readonly rows: LeafRows;
  readonly sums: GradientSums;
  split: Split | undefined;
  /** Index into `leafHistograms`; -1 when it was given up or never needed. */
  histogram: number;
}

/**
 * Grows trees leaf by leaf, always splitting the leaf of largest gain (of equal ones the oldest). All threads run this
 * side by side: each sums histograms over its own rows and searches its own features, and all take the same decisions
 * from what lies in shared memory after a barrier. The arrays of row numbers are used again for the next tree.
 */
export function createTreeGrower(options: {
  readonly thread: Thread;
  readonly columns: BinnedColumns;
  readonly rows: Int32Array;
  readonly parameters: BoostingParameters;
}): (quantisation: Quantisation) => GrownTree {
  const { thread, columns, rows, parameters } = options;
  const { memory, barrier } = thread;
  const { features, wordsInRow } = columns;
  const values = histogramValues(memory.objective);
  const [fromFeature, toFeature] = ownFeatures(thread, columns);
  const fromValue = fromFeature * BIN_ROOM * values;
  const toValue = toFeature * BIN_ROOM * values;
  const order = rows.slice();
  const spare = new Int32Array(rows.length);
  const goesLeft = new Uint8Array(BIN_ROOM);

  return (quantisation) => {
    const search: SplitSearch = { memory, parameters, quantisation, features };
    const builder = createTreeBuilder(parameters, quantisation);
    const free = Array.from(memory.leafHistograms.keys()).reverse();
    order.set(rows);
    const leaves: Leaf[] = [plantRoot(builder.root)];
    while (leaves.length < parameters.maxLeaves) {
      const next = leafOfLargestGain(leaves);
      if (next < 0) break;
      const [left, right] = splitLeaf(leaves[next]!, leaves.length + 1 < parameters.maxLeaves);
      leaves[next] = left;
      leaves.push(right);
    }
    for (const leaf of leaves) builder.setLeaf(leaf.node, leaf.sums);
    const { tree, gains } = builder.build();
    return { tree, gains, leaves: leaves.map((leaf) => ({ rows: leaf.rows, value: tree.value[leaf.node]! })) };

    function plantRoot(node: number): Leaf {
      const whole = { rows: order, from: 0, to: order.length };
      const histogram = free.pop()!;
      sumRows(whole, histogram);
      const root: Leaf = { node, depth: 0, rows: whole, sums: totals(), split: undefined, histogram };
      searchSplits([root]);
      return root;

      function totals(): GradientSums {
        const sums = [0, 0];
        memory.threadTotals.forEach((total, index) => (sums[index % values]! += total));
        return unpackSums(memory.objective, sums[0]!, sums[1]!, quantisation.countRadix);
      }
    }

    /** Parts a leaf's rows and, when its children may be split in turn, finds how. */
    function splitLeaf(leaf: Leaf, mayGoOn: boolean): [Leaf, Leaf] {
      const split = leaf.split!;
      const middle = partRows(leaf.rows, split);
      const [leftNode, rightNode] = describe(builder, leaf.node, split);
      const right = subtract(leaf.sums, split.left);
      const { from, to } = leaf.rows;
      const child = (node: number, sums: GradientSums, start: number, end: number): Leaf => ({
        node,
        depth: leaf.depth + 1,
        rows: { rows: order, from: start, to: end },
        sums,
        split: undefined,
        histogram: -1,
      });
      const children: [Leaf, Leaf] = [child(leftNode, split.left, from, middle), child(rightNode, right, middle, to)];
      if (mayGoOn && children.some(mayBeSplit)) {
        fillHistograms(leaf, children);
        searchSplits(children);
      } else if (leaf.histogram >= 0) free.push(leaf.histogram);
      return children;
    }

    function mayBeSplit({ depth, sums }: Leaf): boolean {
      return (parameters.maxDepth <= 0 || depth < parameters.maxDepth) && sums.count >= 2 * parameters.minSamplesLeaf;
    }

    /** The smaller child's histogram from its rows, the larger one's as the parent's less the smaller one's. */
    function fillHistograms(parent: Leaf, children: readonly [Leaf, Leaf]): void {
      const [left, right] = children;
      const [smaller, larger] = left.sums.count <= right.sums.count ? [left, right] : [right, left];
      smaller.histogram = free.pop() ?? giveUpOne(parent);
      sumRows(smaller.rows, smaller.histogram);
      if (parent.histogram >= 0) {
        larger.histogram = parent.histogram;
        const own = memory.leafHistograms;
        subtractHistogram(own[larger.histogram]!, own[smaller.histogram]!, fromValue, toValue);
      } else {
        barrier(); // the others have read this thread's histogram before it is written again
        larger.histogram = free.pop() ?? giveUpOne(smaller);
        sumRows(larger.rows, larger.histogram);
      }
    }

    /** Takes the histogram of the leaf least likely to be split next. */
    function giveUpOne(except: Leaf): number {
      const victim = leaves
        .filter((leaf) => leaf.histogram >= 0 && leaf !== except)
        .reduce((a, b) => ((b.split?.gain ?? 0) < (a.split?.gain ?? 0) ? b : a));
      const { histogram } = victim;
      victim.histogram = -1;
      return histogram;
    }

    /** Sums over the rows of all threads; each thread completes the features that are its own. */
    function sumRows(leafRows: LeafRows, histogram: number): void {
      const own = memory.threadHistograms[thread.index]!;
      buildHistogram(own, leafRows, memory.words, wordsInRow, memory.packed);
      barrier();
      sumHistograms(memory.leafHistograms[histogram]!, memory.threadHistograms, fromValue, toValue);
    }

    function searchSplits(found: readonly Leaf[]): void {
      found.forEach((leaf, index) => {
        const split = mayBeSplit(leaf)
          ? findBestSplit(search, memory.leafHistograms[leaf.histogram]!, leaf.sums, fromFeature, toFeature)
          : undefined;
        writeSplit(memory, thread.index * 2 + index, split);
      });
      barrier();
      found.forEach((leaf, index) => {
        for (let other = 0; other < thread.count; other++) {
          leaf.split = betterOf(leaf.split, readSplit(memory, other * 2 + index));
        }
      });
    }
  };

  /** Reorders `rows` so that those that go left come first, each side in its old order; returns where the right begins. */
  function partRows({ from, to }: LeafRows, { position, bin, missingLeft }: Split): number {
    const feature = features[position]!;
    const missingBin = memory.binCounts[feature]!;
    for (let b = 0; b < BIN_ROOM; b++) goesLeft[b] = b === missingBin ? Number(missingLeft) : Number(b <= bin);
    const word = Math.floor(position / FEATURES_IN_WORD);
    const shift = (position % FEATURES_IN_WORD) * 8;
    const { words } = memory;
    let left = from;
    let right = 0;
    // Writes both ways and advances one: no branch to guess wrong.
    for (let index = from; index < to; index++) {
      const row = order[index]!;
      const isLeft = goesLeft[(words[row * wordsInRow + word]! >>> shift) & 255]!;
      order[left] = row;
      spare[right] = row;
      left += isLeft;
      right += 1 - isLeft;
    }
    order.set(spare.subarray(0, right), left);
    return left;
  }

  /** Adds the split to the tree; returns the numbers of the two new nodes. */
  function describe(builder: TreeBuilder, node: number, { gain, position, bin, missingLeft }: Split): [number, number] {
    const feature = features[position]!;
    return builder.split(node, { gain, feature, threshold: memory.bounds[feature * BIN_ROOM + bin]!, missingLeft });
  }
}

/** Consecutive positions, about as many bins for each thread. */
function ownFeatures({ memory, index, count }: Thread, { features }: BinnedColumns): [number, number] {
  const bins = Array.from(features, (feature) => memory.binCounts[feature]!);
  const total = bins.reduce((a, b) => a + b, 0);
  const boundary = (share: number): number => {
    let sum = 0;
    return bins.filter((size) => (sum += size) - size / 2 < total * share).length;
  };
  return [index === 0 ? 0 : boundary(index / count), index === count - 1 ? bins.length : boundary((index + 1) / count)];
}

function leafOfLargestGain(leaves: readonly Leaf[]): number {
  let best = -1;
  leaves.forEach(({ split }, index) => {
    if (split !== undefined && (best < 0 || split.gain > leaves[best]!.split!.gain)) best = index;
  });
  return best;
}

function subtract(whole: GradientSums, part: GradientSums): GradientSums {
  return {
    gradient: whole.gradient - part.gradient,
    hessian: whole.hessian - part.hessian,
    count: whole.count - part.count,
  };
}
