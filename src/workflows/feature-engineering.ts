import { ApplicationFailure, proxyActivities } from '@temporalio/workflow';
import type { FeaturesActivities } from '../activities/features.js';
import type { FeaturesResult } from '../contracts/features.js';
import { plural } from '../model/plural.js';
import { bulkLoad } from './activity-options.js';
import { allOrCancel } from './all-or-cancel.js';
import { withRun, type StageInput } from './run-scope.js';

const { buildTrainingSet } = proxyActivities<FeaturesActivities>(bulkLoad);

/** Joins labels with features as they were known, once for the model and once for each variant, and checks for leaks. */
export async function featureEngineering(input: StageInput): Promise<FeaturesResult> {
  return withRun(input, 'features', async (plan, report) => {
    if (plan.train === undefined) {
      throw ApplicationFailure.nonRetryable(
        'plumbline.yaml has no `train` section: there is nothing to make features for.',
        'TerminalError',
      );
    }
    const sets = await allOrCancel(plan.train.sets.map((set) => () => buildTrainingSet({ run: input.run, set })));
    for (const { set, trainingSet, leakCheck } of sets) {
      report(
        `${set}: ${trainingSet.trainRows} + ${trainingSet.testRows} ${plural(trainingSet.trainRows + trainingSet.testRows, 'row')} × ${trainingSet.features.length}, ${leakCheck}`,
      );
      for (const assumption of trainingSet.assumptions) report(`assumption: ${assumption}`);
    }
    return { sets };
  });
}
