import { createHash } from 'node:crypto';
import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type {
  BoostingCheckpoint,
  BoostingModel,
  BoostingObjective,
  BoostingParameters,
  FloatMatrix,
} from './boosting-model.js';
import { deserializeBoosting, serializeBoosting } from './serialize-boosting.js';

const DEFAULT_EVERY_ITERATIONS = 10;
const FINGERPRINT_BYTES = 32;

/** Saves and finds again the trees of an unfinished fit. */
export interface FitCheckpoint {
  /** Trees of an earlier attempt at this very fit; undefined when there are none. */
  load(): Promise<BoostingModel | undefined>;
  /** Saves when it is due and no save is under way; a failed save comes out of `flush`. */
  offer(model: BoostingModel): void;
  /** Resolves when no save is under way. */
  flush(): Promise<void>;
}

/**
 * The bytes saved are a fingerprint of everything the trees depend on, then the trees: a checkpoint of other data,
 * parameters or seed, or one that was cut, is not used, and the fit starts anew.
 */
export function openFitCheckpoint(checkpoint: BoostingCheckpoint | undefined, fingerprint: Buffer): FitCheckpoint {
  if (checkpoint === undefined) {
    return { load: async () => undefined, offer: () => undefined, flush: async () => undefined };
  }
  const every = checkpoint.everyIterations ?? DEFAULT_EVERY_ITERATIONS;
  let saved = 0;
  let saving: Promise<void> | undefined;
  let failure: { readonly cause: unknown } | undefined;
  return {
    async load() {
      const bytes = await checkpoint.load();
      const model = bytes === undefined ? undefined : readCheckpoint(bytes, fingerprint);
      saved = model?.trees.length ?? 0;
      return model;
    },
    offer(model) {
      if (saving !== undefined || model.trees.length < saved + every) return;
      saved = model.trees.length;
      saving = save(checkpoint, Buffer.concat([fingerprint, serializeBoosting(model)]))
        .catch((cause: unknown) => (failure = { cause }))
        .then(() => (saving = undefined));
    },
    async flush() {
      await saving;
      if (failure !== undefined) throw failure.cause;
    },
  };
}

async function save(checkpoint: BoostingCheckpoint, bytes: Uint8Array): Promise<void> {
  await checkpoint.save(bytes);
  await failpoint('train.after-checkpoint');
}

function readCheckpoint(bytes: Uint8Array, fingerprint: Buffer): BoostingModel | undefined {
  if (!fingerprint.equals(bytes.subarray(0, FINGERPRINT_BYTES))) return undefined;
  try {
    return deserializeBoosting(bytes.subarray(FINGERPRINT_BYTES));
  } catch (error) {
    if (error instanceof TerminalError) return undefined;
    throw error;
  }
}

/** SHA-256 of data, parameters and seed; lets other work run between columns. */
export async function fingerprintFit(fit: {
  readonly X: FloatMatrix;
  readonly y: Float64Array;
  readonly objective: BoostingObjective;
  readonly parameters: BoostingParameters;
  readonly seed: number;
}): Promise<Buffer> {
  const { X, y, objective, parameters, seed } = fit;
  const hash = createHash('sha256').update(
    JSON.stringify({
      objective,
      seed,
      rows: X.rows,
      features: X.columns.length,
      parameters: Object.entries(parameters).sort(),
    }),
  );
  for (const column of [y, ...X.columns]) {
    hash.update(new Uint8Array(column.buffer as ArrayBuffer, column.byteOffset, column.byteLength));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return hash.digest();
}
