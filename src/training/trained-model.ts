import type { ModelSignature } from '../model/signature.js';
import type { Preprocessing } from './preprocessing/preprocessing.js';

export interface TrainingProgress {
  readonly iteration: number;
  readonly of: number;
  /** On the training rows: mean squared error, or mean log loss. */
  readonly loss: number;
}

export interface FeatureImportance {
  readonly feature: string;
  /** Boosting: summed gain of its splits. Linear and logistic: Σ |coefficient| × standard deviation. Never negative. */
  readonly gain: number;
}

export interface TrainedModel {
  /** The whole model, preprocessing included; the same inputs and seed give the same bytes. */
  readonly onnx: Uint8Array;
  readonly signature: ModelSignature;
  /** Of the held-out rows, in table order; probabilities of 1 for a binary task. */
  readonly predictions: Float64Array;
  /** On the held-out rows. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly trainMetrics: Readonly<Record<string, number>>;
  /** Of the trainer, defaults filled in. */
  readonly parameters: Readonly<Record<string, number>>;
  /** Every feature, largest gain first. */
  readonly importance: readonly FeatureImportance[];
  readonly preprocessing: Preprocessing;
}
