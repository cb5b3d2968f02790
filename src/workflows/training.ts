import { ApplicationFailure, proxyActivities } from '@temporalio/workflow';
import type { TrainingActivities } from '../activities/training.js';
import type { BaselineSummary, TrainedSummary, TrainingResult } from '../contracts/training.js';
import { bulkLoad, training as trainingOptions } from './activity-options.js';
import { allOrCancel } from './all-or-cancel.js';
import { metricsText } from './metrics-text.js';
import { setSearchAttributes, withRun, type StageInput } from './run-scope.js';

const { evaluateBaselines, trainModel } = proxyActivities<TrainingActivities>(trainingOptions);
const { registerModel } = proxyActivities<TrainingActivities>(bulkLoad);

/** Baselines, the model, a simpler model and the variants beside it; then gates; then a version in the registry. */
export async function training(input: StageInput): Promise<TrainingResult> {
  return withRun(input, 'training', async (plan, report) => {
    const { run } = input;
    if (plan.train === undefined) {
      throw ApplicationFailure.nonRetryable(
        'plumbline.yaml has no `train` section: there is nothing to train.',
        'TerminalError',
      );
    }
    const { trainer, comparison, sets } = plan.train;
    const variants = sets.filter((set) => set !== 'main');
    const fits = [
      { set: 'main', trainer },
      ...(comparison === undefined ? [] : [{ set: 'main', trainer: comparison }]),
      ...variants.map((set) => ({ set, trainer })),
    ];
    let baselines: readonly BaselineSummary[] = [];
    const measureBaselines = async (): Promise<undefined> => void (baselines = await evaluateBaselines({ run }));
    const fitted = await allOrCancel<TrainedSummary | undefined>([
      ...fits.map((fit) => () => trainModel({ run, ...fit })),
      measureBaselines,
    ]);
    const [trained, ...others] = fitted.filter((one) => one !== undefined) as [TrainedSummary, ...TrainedSummary[]];
    for (const one of [trained, ...others]) report(`${one.trainer} (${one.set}): ${metricsText(one.metrics)}`);
    const registered = await registerModel({ run, trained, others, baselines });
    setSearchAttributes(run, { PlumblineModelVersion: `${registered.model}-v${registered.version}` });
    for (const gate of registered.gates)
      report(`gate ${gate.gate}: ${gate.passed ? 'passed' : 'failed'} (${gate.reason})`);
    return { baselines, trained, others, registered };
  });
}
