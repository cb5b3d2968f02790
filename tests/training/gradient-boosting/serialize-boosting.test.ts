import { expect, test } from 'vitest';
import type { BoostingModel } from '../../../src/training/gradient-boosting/boosting-model.js';
import { deserializeBoosting, serializeBoosting } from '../../../src/training/gradient-boosting/serialize-boosting.js';

const model: BoostingModel = {
  objective: 'binary',
  baseScore: Math.fround(-0.1),
  nFeatures: 2,
  importance: Float64Array.of(12.5, 0),
  trees: [
    {
      feature: Int32Array.of(0, -1, -1),
      threshold: Float32Array.of(Infinity, 0, 0),
      missingLeft: Uint8Array.of(1, 0, 0),
      left: Int32Array.of(1, 0, 0),
      right: Int32Array.of(2, 0, 0),
      value: Float32Array.of(0, -0.25, 0.125),
    },
    {
      feature: Int32Array.of(-1),
      threshold: Float32Array.of(0),
      missingLeft: Uint8Array.of(0),
      left: Int32Array.of(0),
      right: Int32Array.of(0),
      value: Float32Array.of(0.5),
    },
  ],
};

test('reads back what was written', () => {
  expect(deserializeBoosting(serializeBoosting(model))).toEqual(model);
});

test('reads bytes that lie at an odd place in a larger buffer', () => {
  const bytes = serializeBoosting(model);
  const padded = new Uint8Array(bytes.length + 3);
  padded.set(bytes, 3);
  expect(deserializeBoosting(padded.subarray(3))).toEqual(model);
});

test.each([
  ['nothing', (bytes: Uint8Array) => bytes.subarray(0, 0)],
  ['a half', (bytes: Uint8Array) => bytes.subarray(0, bytes.length / 2)],
  ['all but the last byte', (bytes: Uint8Array) => bytes.subarray(0, -1)],
  ['one bit changed', (bytes: Uint8Array) => bytes.with(60, bytes[60]! ^ 1)],
  ['something else', () => new TextEncoder().encode('not a model at all, but long enough to be one')],
])('refuses %s', (_, change) => {
  expect(() => deserializeBoosting(change(serializeBoosting(model)))).toThrow(
    expect.objectContaining({ code: 'TRAIN_MODEL_BYTES_INVALID' }),
  );
});
