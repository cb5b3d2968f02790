import { readFileSync } from 'node:fs';
import type { NewModelVersion } from '../../src/deployment/model-version.js';
import type { ModelSignature } from '../../src/model/signature.js';
import { createHash } from 'node:crypto';

const FOLDER = new URL('../fixtures/onnx/', import.meta.url);

export const fixtureModel = (name: string): Buffer => readFileSync(new URL(name, FOLDER));

/** prediction = 10 × temperature + 100 × (season is summer) + 5 (v1) or + 1005 (v2); see tests/fixtures/onnx/make.py. */
export const demandSignature: ModelSignature = {
  task: 'regression',
  inputs: [
    { name: 'temperature', datatype: 'FP32', nullable: true },
    { name: 'season', datatype: 'BYTES', nullable: false, categories: ['summer', 'winter'] },
  ],
  outputs: [{ name: 'prediction', datatype: 'FP32', shape: [-1, 1] }],
};

/** A version as the training stage hands it over. */
export function newVersion(changes: Partial<NewModelVersion> & { readonly file?: string } = {}): NewModelVersion {
  const { file = 'demand-v1.onnx', ...rest } = changes;
  const onnx = fixtureModel(file);
  return {
    env: 'dev',
    project: 'bikes',
    model: 'demand',
    onnx: { sha256: createHash('sha256').update(onnx).digest('hex'), bytes: onnx.byteLength },
    signature: demandSignature,
    trainingSet: {
      artifact: { sha256: 'a'.repeat(64), bytes: 10 },
      rows: 100,
      trainRows: 80,
      testRows: 20,
      task: 'regression',
      entity: ['hour_at'],
      labelTime: 'hour_at',
      target: 'rides',
      horizonMs: 86_400_000,
      testFrom: '2012-10-01',
      features: [
        { name: 'temperature', view: 'weather', kind: 'number', nullShare: 0.01 },
        { name: 'season', view: 'calendar', kind: 'text', nullShare: 0 },
      ],
      assumptions: [],
      inputs: { demand: 'load-1' },
    },
    metrics: { rmse: 94.6 },
    baselines: [{ name: 'mean', metrics: { rmse: 204.4 } }],
    gates: [{ gate: 'rmse better than baseline', passed: true }],
    parity: {
      passed: true,
      rows: 20,
      maxDelta: 1e-6,
      maxRelativeDelta: 1e-8,
      tolerance: 1e-5,
      batchSizes: [1, 1024],
      runtime: 'onnxruntime-node, CPU, 1 thread',
    },
    parameters: { maxLeaves: 31 },
    seed: 7,
    assumptions: ['weather: known at target − 24 h (declared)'],
    modelCard: '# demand',
    runId: 'run-1',
    bundle: 'b'.repeat(64),
    ...rest,
  };
}
