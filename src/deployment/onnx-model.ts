import './no-telemetry.js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { TerminalError } from '../errors.js';
import type { Datatype, ModelSignature } from '../model/signature.js';
import { assertOwnOnnx } from './onnx-inspection.js';

/** One column a graph takes: float32 with NaN for missing, or strings with '' for missing. */
export type InputColumn = Float32Array | readonly string[];

/** A graph in memory, checked against its signature. */
export interface OnnxModel {
  readonly signature: ModelSignature;
  /**
   * First output for `rows` rows, from columns in the signature's order, each of length `rows`.
   * Safe to call several times at once.
   */
  predict(columns: readonly InputColumn[], rows: number): Promise<Float32Array>;
  /** Frees the native memory; nothing may run on the model any more. */
  close(): Promise<void>;
}

/** Threads of one inference. Serving scales by requests and processes; parity is proven with the same setting. */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  // Errors come back as exceptions; warnings of the runtime would go to stderr unformatted.
  logSeverityLevel: 3,
};

/**
 * Loads a graph the way serving does, for serving, parity and scoring alike.
 *
 * @throws TerminalError `DEPLOY_ONNX_*` when the bytes must not or cannot be loaded, or do not fit the signature
 */
export async function openOnnxModel(options: {
  readonly onnx: Uint8Array;
  readonly signature: ModelSignature;
}): Promise<OnnxModel> {
  const { onnx, signature } = options;
  assertOwnOnnx(onnx);
  const session = await InferenceSession.create(onnx, SESSION_OPTIONS).catch((error: Error) => {
    throw new TerminalError('DEPLOY_ONNX_INVALID', `onnxruntime refused the ONNX model: ${error.message}.`, {
      next: 'Train again to make a new model file.',
      cause: error,
    });
  });
  try {
    assertSignature(session, signature);
  } catch (error) {
    await session.release();
    throw error;
  }
  const inputs = signature.inputs;
  const output = signature.outputs[0]!.name;
  return {
    signature,
    async predict(columns, rows) {
      const feeds: Record<string, Tensor> = Object.create(null) as Record<string, Tensor>;
      inputs.forEach((input, index) => {
        const column = columns[index]!;
        feeds[input.name] =
          input.datatype === 'FP32'
            ? new Tensor('float32', column as Float32Array, [rows, 1])
            : new Tensor('string', column as string[], [rows, 1]);
      });
      const results = await session.run(feeds, [output]);
      return results[output]!.data as Float32Array;
    },
    close: () => session.release(),
  };
}

const TENSOR_TYPES: Readonly<Record<Datatype, string>> = { FP32: 'float32', BYTES: 'string', INT64: 'int64' };

function assertSignature(session: InferenceSession, signature: ModelSignature): void {
  compare('input', session.inputMetadata, signature.inputs);
  if (signature.outputs.length === 0) throw mismatch('the signature names no output', {});
  compare('output', session.outputMetadata, signature.outputs);
}

function compare(
  kind: 'input' | 'output',
  graph: readonly InferenceSession.ValueMetadata[],
  expected: readonly { readonly name: string; readonly datatype: Datatype }[],
): void {
  const byName = new Map(graph.map((value) => [value.name, value]));
  for (const { name, datatype } of expected) {
    const value = byName.get(name);
    if (value === undefined) {
      throw mismatch(
        `the signature’s ${kind} ${JSON.stringify(name)} is not in the graph, which has ${list([...byName.keys()])}`,
        { kind, name },
      );
    }
    const type = value.isTensor ? value.type : 'not a tensor';
    if (type !== TENSOR_TYPES[datatype]) {
      throw mismatch(`${kind} ${JSON.stringify(name)} is ${type} in the graph, expected ${TENSOR_TYPES[datatype]}`, {
        kind,
        name,
      });
    }
    const shape = value.isTensor ? value.shape : [];
    if (shape.length !== 2 || typeof shape[0] === 'number' || shape[1] !== 1) {
      throw mismatch(
        `${kind} ${JSON.stringify(name)} has shape [${shape.join(', ')}] in the graph, expected [rows, 1]`,
        { kind, name, shape },
      );
    }
  }
  const known = new Set(expected.map(({ name }) => name));
  const extra = graph.map(({ name }) => name).filter((name) => !known.has(name));
  // More outputs than the signature names do no harm; an input more makes every request fail.
  if (kind === 'input' && extra.length > 0)
    throw mismatch(`the graph asks for ${list(extra)}, which the signature does not have`, { kind, extra });
}

function mismatch(reason: string, details: Record<string, unknown>): TerminalError {
  return new TerminalError('DEPLOY_ONNX_SIGNATURE', `Loading an ONNX model was refused: ${reason}.`, {
    details,
    next: 'Train again, so that graph and signature are written together.',
  });
}

const list = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ') || 'none';
