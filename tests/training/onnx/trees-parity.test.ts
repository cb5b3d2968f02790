import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ModelSignature } from '../../../src/model/signature.js';
import type { Feature } from '../../../src/training/features.js';
import type { Tree } from '../../../src/training/gradient-boosting/boosting-model.js';
import { predictGradientBoosting } from '../../../src/training/gradient-boosting/predict-gradient-boosting.js';
import { exportOnnx } from '../../../src/training/onnx/export-onnx.js';
import { runOnnx } from './run-onnx.js';

const NAMES = ['a', 'b', 'c'];
/** Few values, so that rows fall exactly on thresholds; the neighbours of 0.1 in float32 are among them. */
const GRID = [-3, -0, 0.1, Math.fround(0.1), Math.fround(0.1) + 2 ** -27, 1e-40, 7, 16777216, 3.4e38].map(Math.fround);

const threshold = fc.constantFrom(...GRID, Infinity);
const value = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...GRID) }, { weight: 1, arbitrary: fc.constant(NaN) });
const tree: fc.Arbitrary<Tree> = fc
  .array(fc.record({ feature: fc.nat(2), threshold, missingLeft: fc.nat(1), leaf: fc.nat(1000) }), {
    minLength: 0,
    maxLength: 12,
  })
  .map(grow);

/** Splits the leaves of a growing tree in turn. */
function grow(splits: readonly { feature: number; threshold: number; missingLeft: number; leaf: number }[]): Tree {
  const nodes = [{ feature: -1, threshold: 0, missingLeft: 0, left: 0, right: 0 }];
  for (const split of splits) {
    const leaves = nodes.filter((node) => node.feature < 0);
    const left = nodes.length;
    Object.assign(leaves[split.leaf % leaves.length]!, { ...split, left, right: left + 1 });
    nodes.push({ feature: -1, threshold: 0, missingLeft: 0, left: 0, right: 0 });
    nodes.push({ feature: -1, threshold: 0, missingLeft: 0, left: 0, right: 0 });
  }
  return {
    feature: Int32Array.from(nodes, (node) => node.feature),
    threshold: Float32Array.from(nodes, (node) => node.threshold),
    missingLeft: Uint8Array.from(nodes, (node) => node.missingLeft),
    left: Int32Array.from(nodes, (node) => node.left),
    right: Int32Array.from(nodes, (node) => node.right),
    // Powers of 2 make every sum exact and say which leaf was reached.
    value: Float32Array.from(nodes, (node, index) => (node.feature < 0 ? 2 ** (index % 20) : 0)),
  };
}

it('reaches the same leaf of every tree in onnxruntime as in training, on thresholds and with missing values', async () => {
  const signature: ModelSignature = {
    task: 'regression',
    inputs: NAMES.map((name) => ({ name, datatype: 'FP32', nullable: true })),
    outputs: [{ name: 'prediction', datatype: 'FP32', shape: [-1, 1] }],
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(tree, { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 60 }),
      async (trees, rows) => {
        const columns = NAMES.map((_, index) => Float32Array.from(rows, (row) => row[index]!));
        const features = NAMES.map((name, index): Feature => ({ name, kind: 'number', values: columns[index]! }));
        const preprocessing = NAMES.map((feature) => ({ kind: 'number', feature }) as const);
        const onnx = exportOnnx({
          signature,
          preprocessing,
          scorer: { kind: 'trees', baseScore: 0.5, trees },
          metadata: {},
        });
        const ours = predictGradientBoosting(
          { objective: 'regression', baseScore: 0.5, trees, nFeatures: 3, importance: new Float64Array(3) },
          { rows: rows.length, columns },
        );
        expect(await runOnnx(onnx, signature, features)).toEqual(ours);
        expect(await runOnnx(onnx, signature, features, 1)).toEqual(ours);
      },
    ),
    { numRuns: 60 },
  );
});
