import { expect } from 'vitest';
import { readFeatures } from '../../src/training/features.js';
import type { TrainModelOptions } from '../../src/training/train-model.js';
import type { TrainedModel } from '../../src/training/trained-model.js';
import { splitRows } from '../../src/training/training-rows.js';
import { runOnnx } from './onnx/run-onnx.js';

/** onnxruntime gives the trainer's predictions: |Δ| ≤ 1e-5 × max(|y|, their deviation), one row at a time and all at once. */
export async function expectParity(
  options: Pick<TrainModelOptions, 'trainingSet' | 'table'>,
  model: TrainedModel,
): Promise<void> {
  const { test } = splitRows(options.trainingSet, options.table);
  const features = await readFeatures(options.trainingSet, options.table, test.rows);
  const { predictions } = model;
  const mean = predictions.reduce((sum, value) => sum + value, 0) / predictions.length;
  const variance = predictions.reduce((sum, value) => sum + (value - mean) ** 2, 0) / predictions.length;
  for (const batch of [1, predictions.length]) {
    const served = await runOnnx(model.onnx, model.signature, features, batch);
    predictions.forEach((value, row) => {
      const tolerance = 1e-5 * Math.max(Math.abs(value), Math.sqrt(variance));
      expect(Math.abs(served[row]! - value), `row ${row} in batches of ${batch}`).toBeLessThanOrEqual(tolerance);
    });
  }
}
