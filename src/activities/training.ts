import type { TrainingSetSummary } from '../contracts/features.js';
import type { RunRef } from '../contracts/run.js';
import {
  evaluateBaselinesInput,
  registerModelInput,
  trainModelInput,
  type BaselineSummary,
  type EvaluateBaselinesInput,
  type RegisteredModel,
  type RegisterModelInput,
  type TrainedSummary,
  type TrainModelInput,
} from '../contracts/training.js';
import { stepNames } from '../contracts/step-names.js';
import { checkParity, type ParityReport } from '../deployment/check-parity.js';
import { registerVersion } from '../deployment/register-version.js';
import { TerminalError } from '../errors.js';
import type { Queryable } from '../model/database.js';
import type { Project, TrainConfig, TrainerConfig } from '../model/project.js';
import type { ModelSignature } from '../model/signature.js';
import { SPLIT_COLUMN, type TrainingSet } from '../model/training-set.js';
import { checkpointFor } from '../storage/checkpoints.js';
import { newestResult } from '../storage/step-results.js';
import type { ColumnTable } from '../table/column-table.js';
import { readParquet } from '../table/parquet.js';
import { selectRows } from '../table/select-rows.js';
import { evaluateBaselines } from '../training/baselines/evaluate-baselines.js';
import { evaluateGates, type GateResult } from '../training/gates/evaluate-gates.js';
import { renderModelCard } from '../training/model-card/render-model-card.js';
import { trainModel } from '../training/train-model.js';
import type { TrainedModel } from '../training/trained-model.js';
import { compareWithChampion } from './compare-with-champion.js';
import type { ActivityDependencies } from './dependencies.js';
import { findRegistered } from './find-registered.js';
import { baselinesInputs, findReusable, fingerprint, trainInputs } from './fingerprint.js';
import { projectOf, trainOf } from './project-code.js';
import { saveOutcome } from './save-outcome.js';
import { runStep } from './step.js';
import { plural } from '../model/plural.js';

export type TrainingActivities = ReturnType<typeof createTrainingActivities>;

/** What stands in the store beside the graph: everything of a trained model that people and serving read. */
type ModelDescription = Pick<TrainedModel, 'signature' | 'parameters' | 'importance' | 'preprocessing'> & {
  readonly parity: ParityReport;
};

export function createTrainingActivities(dependencies: ActivityDependencies) {
  const { store } = dependencies;
  return {
    async evaluateBaselines(input: EvaluateBaselinesInput): Promise<readonly BaselineSummary[]> {
      const { run } = evaluateBaselinesInput.parse(input);
      const step = stepNames.baselines;
      return runStep(dependencies, { run, step, stage: 'training' }, async ({ database, signal, fence }) => {
        const train = trainOf(await projectOf(dependencies, run));
        const trainingSet = await trainingSetOf(database, run, 'main');
        const inputs = baselinesInputs(train, trainingSet.artifact.sha256);
        const found = await findReusable<BaselineSummary[]>(database, run, step, inputs, 'content');
        if (found.reuse !== undefined) {
          await saveOutcome(database, run, step, inputs, found.reuse.result, fence);
          return { ...found.reuse, status: 'reused' };
        }
        const table = await readRows(trainingSet);
        const result: readonly BaselineSummary[] = await evaluateBaselines({
          trainingSet,
          table,
          baselines: train.baselines,
          signal,
        });
        await saveOutcome(database, run, step, inputs, result, fence);
        return { result, reason: found.reason };
      });
    },

    /**
     * Trains one model and proves that serving computes what the trainer measured. A second attempt goes on from the
     * checkpoint; the same inputs give the stored model again.
     */
    async trainModel(input: TrainModelInput): Promise<TrainedSummary> {
      const { run, set, trainer: type } = trainModelInput.parse(input);
      const step = stepNames.train(set, type);
      return runStep(
        dependencies,
        { run, step, stage: 'training' },
        async ({ database, signal, attempt, progress, fence }) => {
          const train = trainOf(await projectOf(dependencies, run));
          const trainingSet = await trainingSetOf(database, run, set);
          const trainer = trainerFor(train, type, trainingSet);
          const inputs = trainInputs(train, trainer.type, trainingSet.artifact.sha256);
          const found = await findReusable<TrainedSummary>(database, run, step, inputs, 'content');
          if (found.reuse !== undefined && (await isStored(found.reuse.result))) {
            await saveOutcome(database, run, step, inputs, found.reuse.result, fence);
            return { ...found.reuse, status: 'reused' };
          }
          const table = await readRows(trainingSet);
          const { env, project, runId } = run;
          const checkpoint = checkpointFor(database, `${env}/${project}/${fingerprint(inputs)}`, {
            runId,
            step,
            attempt,
          });
          // Once: a later attempt of the same run goes on from what the first one saved.
          if (run.force && attempt === 1) await checkpoint.clear();
          const model = await trainModel({
            trainingSet,
            table,
            trainer,
            seed: train.seed,
            threads: dependencies.threads,
            signal,
            onProgress: ({ iteration, of, loss }) =>
              progress({ iteration: `${iteration}/${of}`, loss: Number(loss.toPrecision(4)) }),
            checkpoint,
          });
          const parity = await proveParity(model, table, signal, (rows) =>
            progress({ parity: `${rows} ${plural(rows, 'row')}` }),
          );
          const result = await storeModel(model, parity, set, trainer.type);
          await saveOutcome(database, run, step, inputs, result, fence);
          await checkpoint.clear();
          return { result, reason: found.reuse === undefined ? found.reason : 'its files are gone from the store' };
        },
      );
    },

    /** Gates, model card, and a version in the registry: the same content registers once. */
    async registerModel(input: RegisterModelInput): Promise<RegisteredModel> {
      const { run, trained, others, baselines } = registerModelInput.parse(input);
      const step = stepNames.register;
      return runStep(dependencies, { run, step, stage: 'training' }, async ({ database, signal, fence }) => {
        const project = await projectOf(dependencies, run);
        const train = trainOf(project);
        const { model } = project.deploy;
        const trainingSet = await trainingSetOf(database, run, 'main');
        const { inputs, found } = await findRegistered(database, run, project, { trained, trainingSet, baselines });
        if (found.reuse !== undefined) {
          await saveOutcome(database, run, step, inputs, found.reuse.result, fence);
          return { ...found.reuse, status: 'reused' };
        }
        const description = JSON.parse(
          (await store.read(trained.description.sha256)).toString('utf8'),
        ) as ModelDescription;
        const gates = await judge(
          database,
          run,
          project,
          train,
          trainingSet,
          trained,
          description.signature,
          baselines,
          signal,
        );
        const card = {
          name: model,
          seed: train.seed,
          trainingSet,
          baselines,
          gates,
          metrics: trained.metrics,
          trainMetrics: trained.trainMetrics,
          parity: description.parity,
        };
        const registered = await registerVersion({
          database,
          fence,
          version: {
            env: run.env,
            project: run.project,
            model,
            onnx: trained.onnx,
            signature: description.signature,
            trainingSet,
            metrics: trained.metrics,
            baselines,
            gates,
            parity: description.parity,
            parameters: description.parameters,
            seed: train.seed,
            assumptions: trainingSet.assumptions,
            modelCard: renderModelCard({
              ...card,
              trainer: train.trainer.type,
              parameters: description.parameters,
              importance: description.importance,
              others: await Promise.all(others.map((one) => besideIt(database, run, one))),
            }),
            runId: run.runId,
            bundle: run.bundle.digest,
          },
        });
        const result: RegisteredModel = { model, ...registered, gates };
        await saveOutcome(database, run, step, inputs, result, fence);
        return { result, reason: found.reason };
      });
    },
  };

  async function readRows(trainingSet: TrainingSet): Promise<ColumnTable> {
    return readParquet(await store.localPath(trainingSet.artifact.sha256));
  }

  async function isStored(trained: TrainedSummary): Promise<boolean> {
    const files = [trained.onnx, trained.description, trained.predictions];
    return (await Promise.all(files.map(({ sha256 }) => store.has(sha256)))).every(Boolean);
  }

  async function storeModel(
    model: TrainedModel,
    parity: ParityReport,
    set: string,
    trainer: string,
  ): Promise<TrainedSummary> {
    const { signature, parameters, importance, preprocessing } = model;
    const description: ModelDescription = { signature, parameters, importance, preprocessing, parity };
    return {
      set,
      trainer,
      metrics: model.metrics,
      trainMetrics: model.trainMetrics,
      onnx: await store.put(model.onnx),
      description: await store.put(Buffer.from(JSON.stringify(description))),
      predictions: await store.put(
        new Uint8Array(model.predictions.buffer, model.predictions.byteOffset, model.predictions.byteLength),
      ),
      parity: { maxDelta: parity.maxDelta, tolerance: parity.tolerance, rows: parity.rows },
    };
  }

  async function judge(
    database: Queryable,
    run: RunRef,
    project: Project,
    train: TrainConfig,
    trainingSet: TrainingSet,
    trained: TrainedSummary,
    signature: ModelSignature,
    baselines: readonly BaselineSummary[],
    signal: AbortSignal,
  ): Promise<GateResult[]> {
    const champion = await compareWithChampion({
      database,
      store,
      key: { env: run.env, project: run.project, model: project.deploy.model },
      challenger: { onnx: trained.onnx.sha256, predictions: trained.predictions.sha256, signature },
      trainingSet,
      readRows: () => readRows(trainingSet),
      signal,
    });
    return evaluateGates({
      gates: train.gates,
      task: trainingSet.task,
      metrics: trained.metrics,
      baselines,
      heldOutRows: trainingSet.testRows,
      champion,
    });
  }
}

/** A model that was trained beside the one to register, as the card shows it. */
async function besideIt(database: Queryable, run: RunRef, { set, trainer, metrics }: TrainedSummary) {
  const { assumptions } = await trainingSetOf(database, run, set);
  return { name: set === 'main' ? trainer : `${trainer}, variant ${set}`, metrics, assumptions };
}

/** Serving's own runtime on the held-out rows, one by one and in batches. */
async function proveParity(
  model: TrainedModel,
  table: ColumnTable,
  signal: AbortSignal,
  onRows: (rows: number) => void,
): Promise<ParityReport> {
  return checkParity({
    onnx: model.onnx,
    signature: model.signature,
    table: await heldOutRows(table),
    predictions: model.predictions,
    signal,
    onProgress: ({ rows }) => onRows(rows),
  });
}

export async function heldOutRows(table: ColumnTable): Promise<ColumnTable> {
  const split = table.columns.get(SPLIT_COLUMN);
  return selectRows(table, (row) => split?.values[row] === 'test');
}

/** The set a feature step of this or an earlier run built for the code as it is. */
async function trainingSetOf(database: Queryable, run: RunRef, set: string): Promise<TrainingSet> {
  const newest = await newestResult<TrainingSetSummary>(database, run.env, run.project, stepNames.features(set));
  if (newest !== undefined) return newest.result.trainingSet;
  throw new TerminalError(
    'RUN_STEP_MISSING',
    `Training on set ${JSON.stringify(set)} failed: no training set of that name was built yet.`,
    {
      next: 'Build it first with `plumbline run features`, or run everything with `plumbline run`.',
    },
  );
}

/** The comparison trainer is the plain one for the task: linear, or logistic when the target is 0 and 1. */
export function trainerFor(train: TrainConfig, type: string, { task }: TrainingSet): TrainerConfig {
  if (type === train.trainer.type) return train.trainer;
  return { type: task === 'binary' ? 'logistic' : 'linear', parameters: {} };
}
