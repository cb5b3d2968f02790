import { availableParallelism } from 'node:os';
import { TransientError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { GrownIteration } from './boost.js';
import type { BoostingModel, BoostingObjective, FitBoostingOptions } from './boosting-model.js';
import { resolveBoostingParameters } from './boosting-parameters.js';
import { checkFit } from './check-fit.js';
import { fingerprintFit, openFitCheckpoint } from './fit-checkpoint.js';
import { runWorkers } from './run-workers.js';
import { allocateTrainingMemory, ROW_BLOCK, type TrainingMemory } from './training-memory.js';

/**
 * Gradient boosting of histogram trees grown leaf by leaf, after LightGBM (Ke et al. 2017), squared error or log loss.
 * It runs in worker threads, so the caller's event loop stays free. The same data, parameters and seed give the same
 * model to the bit, whatever the number of threads and however often it was stopped and taken up from its checkpoint.
 *
 * A missing value (NaN) goes, at each split, where it lowers the loss, left when the leaf had none; in a feature that was
 * never missing it goes with the majority.
 * O(trees × log(leaves) × rows × features).
 *
 * @throws TerminalError TRAIN_* for parameters, shapes and targets it cannot use (see check-fit.ts); TransientError
 * TRAIN_WORKER_FAILED, TRAIN_MEMORY; the signal's reason when aborted
 */
export async function fitGradientBoosting(options: FitBoostingOptions): Promise<BoostingModel> {
  const { X, y, objective, seed, signal, onProgress } = options;
  const parameters = resolveBoostingParameters({ ...options.parameters });
  checkFit(options);
  signal?.throwIfAborted();
  const fingerprint = options.checkpoint && (await fingerprintFit({ X, y, objective, parameters, seed }));
  const checkpoint = openFitCheckpoint(options.checkpoint, fingerprint ?? Buffer.alloc(0));
  const model = growable((await checkpoint.load()) ?? emptyModel(options));
  if (model.trees.length >= parameters.nEstimators) return model;

  const threads = usefulThreads(X, options.threads);
  const memory = await allocate({ X, y, objective, parameters, threads });
  await runWorkers({
    memory,
    threads,
    signal,
    boost: { parameters, seed, baseScore: model.baseScore, trees: [...model.trees] },
    onTree({ iteration, loss, tree, gains }: GrownIteration) {
      model.trees.push(tree);
      tree.feature.forEach((feature, node) => {
        if (feature >= 0) model.importance[feature]! += gains[node]!;
      });
      checkpoint.offer(model);
      onProgress?.({ iteration, of: parameters.nEstimators, loss });
    },
  });
  await checkpoint.flush();
  await failpoint('train.after-boosting');
  return model;
}

type GrowableModel = BoostingModel & { readonly trees: BoostingModel['trees'][number][] };

function growable(model: BoostingModel): GrowableModel {
  return { ...model, trees: [...model.trees] };
}

function emptyModel({ X, y, objective }: FitBoostingOptions): BoostingModel {
  const nFeatures = X.columns.length;
  return {
    objective,
    baseScore: baseScore(y, objective),
    trees: [],
    nFeatures,
    importance: new Float64Array(nFeatures),
  };
}

/** The best constant: the mean, or the log-odds of the mean, at most ±34.5 as LightGBM bounds them. */
function baseScore(y: Float64Array, objective: BoostingObjective): number {
  const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
  if (objective === 'regression') return Math.fround(mean);
  const share = Math.min(1 - 1e-15, Math.max(1e-15, mean));
  return Math.fround(Math.log(share / (1 - share)));
}

// Below about this many values a thread, waiting for the others costs more than they take off.
const VALUES_A_THREAD = 400_000;

/** The threads asked for, or as many as the data keeps busy; never more than there are blocks of rows to share. */
function usefulThreads({ rows, columns }: FitBoostingOptions['X'], asked: number | undefined): number {
  const worthwhile = Math.ceil((rows * columns.length) / VALUES_A_THREAD);
  const wanted = asked ?? Math.min(availableParallelism(), worthwhile);
  return Math.max(1, Math.min(wanted, Math.floor(rows / (4 * ROW_BLOCK))));
}

async function allocate(options: Parameters<typeof allocateTrainingMemory>[0]): Promise<TrainingMemory> {
  try {
    return await allocateTrainingMemory(options);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const { rows, columns } = options.X;
    throw new TransientError(
      'TRAIN_MEMORY',
      `Fitting gradient boosting: no memory for ${rows} rows × ${columns.length} features (${cause.message}).`,
      { details: { rows, features: columns.length }, next: 'Use a machine with more memory, or fewer rows.', cause },
    );
  }
}
