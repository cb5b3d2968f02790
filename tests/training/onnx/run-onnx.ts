import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelSignature } from '../../../src/model/signature.js';
import type { Feature } from '../../../src/training/features.js';

/** Predictions of onnxruntime-node for all rows at once, or `batch` rows at a time. */
export async function runOnnx(
  onnx: Uint8Array,
  signature: ModelSignature,
  features: readonly Feature[],
  batch?: number,
): Promise<Float64Array> {
  const session = await InferenceSession.create(onnx, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const output = signature.outputs[0]!.name;
  const rows = features[0]!.values.length;
  const size = batch ?? rows;
  const predictions = new Float64Array(rows);
  for (let start = 0; start < rows; start += size) {
    const end = Math.min(start + size, rows);
    // No prototype: a feature may be called `__proto__`.
    const feeds = Object.create(null) as Record<string, Tensor>;
    for (const feature of features) {
      const dims = [end - start, 1];
      feeds[feature.name] =
        feature.kind === 'number'
          ? new Tensor('float32', feature.values.slice(start, end), dims)
          : new Tensor(
              'string',
              feature.values.slice(start, end).map((value) => value ?? ''),
              dims,
            );
    }
    const results = await session.run(feeds);
    const tensor = results[output]!;
    if (tensor.dims.join() !== `${end - start},1`) throw new Error(`output shape ${tensor.dims.join()}`);
    predictions.set(tensor.data as Float32Array, start);
  }
  await session.release();
  return predictions;
}
