import type { RunRef } from '../contracts/run.js';
import type { BaselineSummary, GateSummary, RegisteredModel, TrainedSummary } from '../contracts/training.js';
import { stepNames } from '../contracts/step-names.js';
import { readChampion } from '../deployment/read-versions.js';
import type { Queryable } from '../model/database.js';
import type { Project } from '../model/project.js';
import type { TrainingSet } from '../model/training-set.js';
import { findReusable, registerInputs, type Found, type StepInputs } from './fingerprint.js';
import { trainOf } from './project-code.js';

/**
 * The version that a trained model is already: registered from the same inputs, or the champion itself. Its inputs too, to
 * save with the outcome.
 */
export async function findRegistered(
  database: Queryable,
  run: RunRef,
  project: Project,
  candidate: {
    readonly trained: TrainedSummary;
    readonly trainingSet: TrainingSet;
    readonly baselines: readonly BaselineSummary[];
  },
): Promise<{ readonly inputs: StepInputs; readonly found: Found<RegisteredModel> }> {
  const { model } = project.deploy;
  const { trained, trainingSet, baselines } = candidate;
  const champion = await readChampion(database, { env: run.env, project: run.project, model });
  const inputs = registerInputs(project, trainOf(project), {
    model: trained.onnx.sha256,
    trainingSet: trainingSet.artifact.sha256,
    champion: champion?.digest,
    baselines,
  });
  const found = await findReusable<RegisteredModel>(database, run, stepNames.register, inputs, 'newest');
  if (found.reuse?.result.gates.every(isComputable)) return { inputs, found };
  if (champion?.onnx.sha256 !== trained.onnx.sha256)
    return { inputs, found: found.reuse === undefined ? found : { reason: 'a gate was not computable' } };
  // Compared with itself it would be no better.
  const { version, digest, gates } = champion;
  const result = { model, version, digest, created: false, gates: gates as GateSummary[] };
  return { inputs, found: { reuse: { result, reason: 'the same model serves already' } } };
}

/** What stood in the way, a missing file for one, may be gone by the next run. */
function isComputable(gate: GateSummary): boolean {
  return gate.passed || gate.value !== undefined;
}
