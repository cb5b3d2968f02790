import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  condition,
  continueAsNew,
  defineSignal,
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { DeploymentActivities } from '../activities/deployment.js';
import type { DeploymentInput, DeploymentResult } from '../contracts/deployment.js';
import { DECISION_SIGNAL, deploymentWorkflowId } from '../contracts/queues.js';
import type { RunPlan, RunRef } from '../contracts/run.js';
import type { RegisteredModel } from '../contracts/training.js';
import { quickQuery } from './activity-options.js';
import { setSearchAttributes } from './run-scope.js';

const { beginDeployment, readDecision, promoteModel, endDeployment } =
  proxyActivities<DeploymentActivities>(quickQuery);

const FIRST_LOOK_MS = 60_000;
/** An hour apart at most: a week's wait stays below a few thousand events, and a longer one goes on as a new workflow. */
const LONGEST_PAUSE_MS = 3_600_000;

export const decisionSignal = defineSignal(DECISION_SIGNAL);

/**
 * Brings one version to serving: with `approval: manual` it waits for a decision row in PostgreSQL (the signal only says
 * that there is one), then moves the serving pointer if nobody else did meanwhile.
 */
export async function deployment(input: DeploymentInput): Promise<DeploymentResult> {
  let decisions = 0;
  setHandler(decisionSignal, () => void decisions++);
  setSearchAttributes(input.run, {
    PlumblineProject: input.run.project,
    PlumblineEnv: input.run.env,
    PlumblineStage: 'deployment',
    PlumblineModelVersion: `${input.model}-v${input.version}`,
  });
  const expectedEpoch = input.waiting?.expectedEpoch ?? (await beginDeployment(input)).epoch;
  const end = (result: DeploymentResult): Promise<DeploymentResult> => endDeployment({ run: input.run, result });
  if (input.approval === 'none') {
    return end(await promoteModel({ ...input, expectedEpoch, who: 'plumbline', reason: 'approval: none' }));
  }
  const { model, version } = input;
  const deadline = input.waiting?.deadline ?? Date.now() + input.approvalTimeoutMs;
  let pause = FIRST_LOOK_MS;
  for (;;) {
    const seen = decisions;
    const { decision, who = 'unknown', reason = '' } = await readDecision(input);
    if (decision === 'reject') return end({ model, version, status: 'rejected', reason: `${who}: ${reason}` });
    if (decision === 'approve') return end(await promoteModel({ ...input, expectedEpoch, who, reason }));
    const left = deadline - Date.now();
    if (left <= 0) {
      return end({ model, version, status: 'timed_out', reason: 'no decision in time; the served version stays' });
    }
    // A signal that was lost while Temporal was away must not lose the decision: the row is read again by itself.
    await condition(() => decisions > seen, Math.min(left, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    // A signal that came in between is not lost: the decision is a row, which is read again at once.
    if (workflowInfo().continueAsNewSuggested)
      return continueAsNew<typeof deployment>({ ...input, waiting: { expectedEpoch, deadline } });
  }
}

/** The pipeline's last stage. Without approval it waits for the promotion; with, the deployment lives on by itself. */
export async function deploymentStage(
  run: RunRef,
  plan: RunPlan,
  registered: RegisteredModel,
): Promise<DeploymentResult | { status: string; reason: string }> {
  const { model, version, digest, gates } = registered;
  const failed = gates.filter((gate) => !gate.passed);
  if (failed.length > 0) {
    return { status: 'not_deployed', reason: failed.map((gate) => `${gate.gate}: ${gate.reason}`).join('; ') };
  }
  const { approval, approvalTimeoutMs } = plan.deploy;
  const options = {
    args: [{ run, model, version, digest, approval, approvalTimeoutMs }] as [DeploymentInput],
    workflowId: deploymentWorkflowId(run.env, run.project, model, version),
    parentClosePolicy: ParentClosePolicy.ABANDON,
    workflowTaskTimeout: '5s' as const,
    staticSummary: `${model} v${version}`,
  };
  try {
    if (approval === 'none') return await executeChild(deployment, options);
    await startChild(deployment, options);
  } catch (error) {
    // The same version waits already, since an earlier run: under the approval that held then.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  return { status: 'waiting_for_approval', reason: `plumbline models approve ${model} ${version}` };
}
