import type { ModelHost } from './model-host.js';
import type { PredictionLog } from './prediction-log.js';
import { listed, quoted, RequestError } from './request-error.js';
import type { RequestInputs } from './request-inputs.js';
import type { ServedModel } from './served-model.js';

/** What the routes share. */
export interface ServerContext {
  readonly host: ModelHost;
  readonly log: PredictionLog;
  readonly env: string;
  readonly project: string;
  readonly counters: Counters;
}

export interface Counters {
  requests: number;
  predictions: number;
  /** Answers of 400 to 499. */
  refused: number;
  /** Answers of 500 and above. */
  failed: number;
}

/**
 * The model in memory, of that version if one is named.
 *
 * @throws RequestError 404 `SERVE_MODEL_UNKNOWN`, 503 `SERVE_MODEL_NOT_READY`
 */
export function servedModel({ host }: ServerContext, name: string, version?: string): ServedModel {
  const model = host.get(name);
  if (model === undefined) {
    if (host.has(name)) {
      const { refusal } = host.states().find((state) => state.name === name)!;
      throw new RequestError(
        503,
        'SERVE_MODEL_NOT_READY',
        `model ${JSON.stringify(name)} v${refusal?.version} could not be loaded: ${refusal?.error}`,
      );
    }
    const names = listed(host.states().map((state) => state.name));
    throw new RequestError(
      404,
      'SERVE_MODEL_UNKNOWN',
      `model ${quoted(name)} is not served here, expected one of: ${names}`,
    );
  }
  const served = String(model.version.version);
  if (version !== undefined && version !== served) {
    throw new RequestError(
      404,
      'SERVE_MODEL_UNKNOWN',
      `version ${JSON.stringify(version)} of model ${quoted(name)} is not served here, expected ${served}`,
    );
  }
  return model;
}

export interface Answer {
  readonly predictions: Float32Array;
  readonly ids: readonly string[];
}

/** Predicts, writes the prediction log, and only then gives the answer. */
export async function answer(context: ServerContext, model: ServedModel, inputs: RequestInputs): Promise<Answer> {
  context.log.assertRoom();
  const predictions = await model.predict(inputs);
  for (let row = 0; row < inputs.rows; row++) {
    if (Number.isFinite(predictions[row])) continue;
    throw new RequestError(500, 'SERVE_PREDICTION_INVALID', `row ${row}: the model gave ${predictions[row]}`);
  }
  const ids = await context.log.record(model, inputs, predictions);
  context.counters.predictions += inputs.rows;
  return { predictions, ids };
}
