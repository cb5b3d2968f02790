import type { ModelSignature } from '../model/signature.js';
import type { Task, TrainingSet } from '../model/training-set.js';
import type { ParityReport } from './check-parity.js';

/** Which model of which project in which environment. */
export interface ModelKey {
  readonly env: string;
  readonly project: string;
  readonly model: string;
}

/** Everything that makes a version: what was tested is what serves. */
export interface NewModelVersion extends ModelKey {
  /** The graph in the artifact store. */
  readonly onnx: { readonly sha256: string; readonly bytes: number };
  readonly signature: ModelSignature;
  readonly trainingSet: TrainingSet;
  /** Held-out metrics. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly baselines: unknown;
  readonly gates: unknown;
  readonly parity: ParityReport;
  readonly parameters: unknown;
  readonly seed: number;
  readonly assumptions: readonly string[];
  /** Markdown; its title names the model, and once it is read from the registry the version too. */
  readonly modelCard: string;
  readonly runId: string;
  /** Digest of the code bundle. */
  readonly bundle: string;
}

export interface ModelVersion extends NewModelVersion {
  readonly version: number;
  readonly digest: string;
  readonly task: Task;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

export interface ServingPointer {
  readonly version: number;
  /** Grows by one with every change; 0 stands for "nothing serves yet". */
  readonly epoch: number;
}
