import { z } from 'zod';
import type { ArtifactRef } from '../model/artifact.js';
import { runRef } from './run.js';

export const evaluateBaselinesInput = z.object({ run: runRef });
export type EvaluateBaselinesInput = z.infer<typeof evaluateBaselinesInput>;

export interface BaselineSummary {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly note: string;
}

/** `trainer` names the estimator; `set` the training set (`main` or a variant). */
export const trainModelInput = z.object({ run: runRef, set: z.string(), trainer: z.string() });
export type TrainModelInput = z.infer<typeof trainModelInput>;

export interface TrainedSummary {
  readonly set: string;
  readonly trainer: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly trainMetrics: Readonly<Record<string, number>>;
  readonly onnx: ArtifactRef;
  /** JSON: signature, parameters, importance, preprocessing. */
  readonly description: ArtifactRef;
  /** Held-out predictions, float64 little endian, in the training set's row order. */
  readonly predictions: ArtifactRef;
  readonly parity: { readonly maxDelta: number; readonly tolerance: number; readonly rows: number };
}

export const registerModelInput = z.object({
  run: runRef,
  trained: z.custom<TrainedSummary>(),
  others: z.array(z.custom<TrainedSummary>()).readonly(),
  baselines: z.array(z.custom<BaselineSummary>()).readonly(),
});
export type RegisterModelInput = z.infer<typeof registerModelInput>;

export interface GateSummary {
  readonly gate: string;
  readonly passed: boolean;
  /** The model's metric; absent when the gate is not computable, or passed without a comparison. */
  readonly value?: number;
  readonly reason: string;
}

export interface RegisteredModel {
  readonly model: string;
  readonly version: number;
  readonly digest: string;
  readonly created: boolean;
  readonly gates: readonly GateSummary[];
}

export interface TrainingResult {
  readonly baselines: readonly BaselineSummary[];
  readonly trained: TrainedSummary;
  readonly others: readonly TrainedSummary[];
  readonly registered: RegisteredModel;
}
