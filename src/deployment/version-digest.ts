import { createHash } from 'node:crypto';
import type { NewModelVersion } from './model-version.js';

/**
 * SHA-256 over what makes a version: graph, signature, training set, code bundle, parameters, seed, metrics. The same training
 * repeated gives the same digest; run ids and times are not part of it.
 */
export function versionDigest(version: NewModelVersion): string {
  const content = {
    onnx: version.onnx.sha256,
    signature: version.signature,
    trainingSet: version.trainingSet.artifact.sha256,
    bundle: version.bundle,
    parameters: version.parameters,
    seed: version.seed,
    metrics: version.metrics,
  };
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
}

/** JSON with the keys of every object sorted, so that equal content is equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
