import { describe, expect, it } from 'vitest';
import type { ModelSignature } from '../../../src/model/signature.js';
import type { Feature } from '../../../src/training/features.js';
import { exportOnnx } from '../../../src/training/onnx/export-onnx.js';
import { runOnnx } from './run-onnx.js';

const regression: ModelSignature = {
  task: 'regression',
  inputs: [
    { name: 'x', datatype: 'FP32', nullable: true },
    { name: 'c', datatype: 'BYTES', nullable: true, categories: ['a', 'b'] },
  ],
  outputs: [{ name: 'prediction', datatype: 'FP32', shape: [-1, 1] }],
};
const features: Feature[] = [
  { name: 'x', kind: 'number', values: Float32Array.of(1, 2, NaN, 0.5, 1.5) },
  { name: 'c', kind: 'text', values: ['a', 'b', null, 'never seen', ''] },
];
const stump = {
  feature: Int32Array.of(0, -1, -1),
  threshold: Float32Array.of(1.5, 0, 0),
  missingLeft: Uint8Array.of(0, 0, 0),
  left: Int32Array.of(1, 0, 0),
  right: Int32Array.of(2, 0, 0),
  value: Float32Array.of(0, -1, 2),
};

describe('exportOnnx', () => {
  it('sends x <= threshold left and missing or unknown values where the tree learned', async () => {
    const onnx = exportOnnx({
      signature: regression,
      preprocessing: [
        { kind: 'number', feature: 'x' },
        { kind: 'ordinal', feature: 'c', categories: ['a', 'b'] },
      ],
      scorer: {
        kind: 'trees',
        baseScore: 10,
        trees: [
          stump,
          {
            ...stump,
            feature: Int32Array.of(1, -1, -1),
            threshold: Float32Array.of(0, 0, 0),
            missingLeft: Uint8Array.of(1, 0, 0),
            value: Float32Array.of(0, 100, 200),
          },
        ],
      },
      metadata: {},
    });
    expect([...(await runOnnx(onnx, regression, features))]).toEqual([109, 212, 112, 109, 109]);
  });

  it('predicts the base score when there is no tree, and a lone leaf when that is all a tree has', async () => {
    const leaf = { ...stump, feature: Int32Array.of(-1), value: Float32Array.of(0.5) };
    for (const [trees, expected] of [
      [[], 10],
      [[leaf], 10.5],
      [[leaf, stump], 9.5],
    ] as const) {
      const onnx = exportOnnx({
        signature: regression,
        preprocessing: [{ kind: 'number', feature: 'x' }],
        scorer: { kind: 'trees', baseScore: 10, trees },
        metadata: {},
      });
      expect((await runOnnx(onnx, regression, features))[0]).toBe(expected);
    }
  });

  it('imputes, scales and one-hot encodes inside the graph', async () => {
    const onnx = exportOnnx({
      signature: regression,
      preprocessing: [
        { kind: 'standardize', feature: 'x', fill: 3, offset: 1, scale: 2 },
        { kind: 'one_hot', feature: 'c', categories: ['a', 'b'] },
      ],
      scorer: { kind: 'linear', intercept: 1, coefficients: Float64Array.of(1, 10, 20) },
      metadata: {},
    });
    expect([...(await runOnnx(onnx, regression, features))]).toEqual([11, 23, 5, 0, 2]);
  });

  it('gives the probability of 1 for a binary task', async () => {
    const signature: ModelSignature = {
      ...regression,
      task: 'binary',
      outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1, 1] }],
    };
    const onnx = exportOnnx({
      signature,
      preprocessing: [{ kind: 'number', feature: 'x' }],
      scorer: { kind: 'trees', baseScore: 0, trees: [stump] },
      metadata: {},
    });
    const [first, second] = await runOnnx(onnx, signature, features);
    expect(first).toBeCloseTo(1 / (1 + Math.E), 6);
    expect(second).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
  });

  it.each(['plumbline/Concat/0', '__proto__', 'x"; drop table y;--', 'a b/c:0', 'größe 🚲', 'constructor', 'N'])(
    'takes a feature named %j',
    async (name) => {
      const signature: ModelSignature = { ...regression, inputs: [{ name, datatype: 'FP32', nullable: false }] };
      const onnx = exportOnnx({
        signature,
        preprocessing: [{ kind: 'standardize', feature: name, fill: 0, offset: 0, scale: 1 }],
        scorer: { kind: 'linear', intercept: 1, coefficients: Float64Array.of(2) },
        metadata: {},
      });
      const values = Float32Array.of(3, 4);
      expect([...(await runOnnx(onnx, signature, [{ name, kind: 'number', values }]))]).toEqual([7, 9]);
    },
  );

  it('keeps an input that no step reads', async () => {
    const onnx = exportOnnx({
      signature: regression,
      preprocessing: [
        { kind: 'standardize', feature: 'x', fill: 0, offset: 0, scale: 1 },
        { kind: 'one_hot', feature: 'c', categories: [] },
      ],
      scorer: { kind: 'linear', intercept: 1, coefficients: Float64Array.of(2) },
      metadata: {},
    });
    expect((await runOnnx(onnx, regression, features))[0]).toBe(3);
  });
});
