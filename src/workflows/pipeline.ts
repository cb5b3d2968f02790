import { executeChild } from '@temporalio/workflow';
import { workflowId } from '../contracts/queues.js';
import type { RunPlan, Stage } from '../contracts/run.js';
import { counted, plural } from '../model/plural.js';
import { deploymentStage } from './deployment.js';
import { elt } from './elt.js';
import { featureEngineering } from './feature-engineering.js';
import { metricsText } from './metrics-text.js';
import { withRun, type StageInput } from './run-scope.js';
import { training } from './training.js';

/**
 * The whole way of a project: load and transform, make features, train, deploy. Each stage is a child that can also be
 * started alone. Survives the death of any worker; a cancellation reaches every stage and leaves no half table.
 */
export async function pipeline(input: StageInput): Promise<{ [stage: string]: unknown }> {
  return withRun(input, 'pipeline', async (plan, report) => {
    const result: Record<string, unknown> = {};
    const wanted = (stage: Stage): boolean => input.stages.includes(stage);
    if (wanted('elt')) {
      const loaded = await executeChild(elt, child(input, plan, 'elt'));
      for (const load of loaded.loads)
        report(`load ${load.resource}: ${counted(load.tableRows, 'row')}, ${load.rowsRejected} rejected`);
      for (const built of loaded.transforms)
        report(
          `transform ${built.transform}: ${counted(built.rows, 'row')}, ${counted(built.testsPassed, 'test')} passed`,
        );
      result['elt'] = loaded;
    }
    if (wanted('features') && plan.train !== undefined) {
      const features = await executeChild(featureEngineering, child(input, plan, 'features'));
      for (const { set, trainingSet } of features.sets) {
        report(
          `training set ${set}: ${trainingSet.trainRows} + ${trainingSet.testRows} ${plural(trainingSet.trainRows + trainingSet.testRows, 'row')} × ${trainingSet.features.length}`,
        );
      }
    }
    if (wanted('training') && plan.train !== undefined) {
      const trained = await executeChild(training, child(input, plan, 'training'));
      report(
        `model ${trained.registered.model} v${trained.registered.version}: ${metricsText(trained.trained.metrics)}`,
      );
      result['training'] = {
        model: trained.registered.model,
        version: trained.registered.version,
        metrics: trained.trained.metrics,
      };
      if (wanted('deployment')) {
        const deployed = await deploymentStage(input.run, plan, trained.registered);
        report(`deployment: ${deployed.status} (${deployed.reason})`);
        result['deployment'] = deployed;
      }
    }
    return result;
  });
}

function child(input: StageInput, plan: RunPlan, stage: Stage) {
  return {
    args: [{ ...input, plan }] as [StageInput],
    workflowId: workflowId(input.run.env, input.run.project, stage, input.run.runId),
    // The default would cost a killed worker's run 10 s before anything else.
    workflowTaskTimeout: '5s' as const,
    staticSummary: `${input.run.project} ${stage}`,
  };
}
