import { activityInfo } from '@temporalio/activity';
import type { DecisionState, DeploymentInput, DeploymentResult, PromoteInput } from '../contracts/deployment.js';
import { deploymentInput, promoteInput } from '../contracts/deployment.js';
import type { RunRef } from '../contracts/run.js';
import { stepNames } from '../contracts/step-names.js';
import { readDecision } from '../deployment/decisions.js';
import { promote } from '../deployment/promote.js';
import { readPointer } from '../deployment/read-versions.js';
import { beginStep, endStep } from '../storage/run-steps.js';
import type { ActivityDependencies } from './dependencies.js';
import { shortActivity } from './short-activity.js';
import { stepLost } from './step.js';

export type DeploymentActivities = ReturnType<typeof createDeploymentActivities>;

/**
 * A deployment may outlive its run by days, so these hold no lease: what keeps two of them apart is the serving
 * pointer's epoch.
 */
export function createDeploymentActivities(dependencies: Pick<ActivityDependencies, 'database'>) {
  const { database } = dependencies;
  const keyOf = (input: { run: RunRef; model: string }) => ({
    env: input.run.env,
    project: input.run.project,
    model: input.model,
  });
  const beginDeploy = async ({ runId }: RunRef): Promise<number> => {
    const { currentAttemptScheduledTimestampMs: scheduledMs } = activityInfo();
    const step = stepNames.deploy;
    const attempt = await beginStep(database, { runId, step, stage: 'deployment', scheduledMs, whileRunning: false });
    if (attempt === undefined) throw stepLost(step);
    return attempt;
  };
  return {
    /** The epoch this deployment starts from; a pointer that moved since then supersedes it. */
    async beginDeployment(input: DeploymentInput): Promise<{ epoch: number }> {
      return shortActivity(stepNames.deploy, async () => {
        const parsed = deploymentInput.parse(input);
        await beginDeploy(parsed.run);
        return { epoch: (await readPointer(database, keyOf(parsed)))?.epoch ?? 0 };
      });
    },

    async readDecision(input: DeploymentInput): Promise<DecisionState> {
      return shortActivity(stepNames.deploy, async () => {
        const parsed = deploymentInput.parse(input);
        const key = keyOf(parsed);
        const decision = await readDecision({ database, key, version: parsed.version });
        if (decision === undefined) return { decision: null };
        return {
          decision: decision.kind === 'reject' ? 'reject' : 'approve',
          who: decision.who,
          reason: decision.reason,
        };
      });
    },

    /**
     * Moves the serving pointer; idempotent by run and version. Without an approval a version that was rolled back stays
     * back: a rollback is a person's word, which an unchanged run must not undo.
     */
    async promoteModel(input: PromoteInput): Promise<DeploymentResult> {
      return shortActivity(stepNames.deploy, async () => {
        const { run, model, version, approval, expectedEpoch, who, reason } = promoteInput.parse(input);
        const moved = await promote({
          database,
          ...keyOf({ run, model }),
          version,
          expectedEpoch,
          who,
          reason,
          runId: run.runId,
          automatic: approval === 'none',
        });
        if (moved.kind === 'held_back') {
          const { by, epoch } = moved;
          const back = `plumbline models promote ${model} ${version} --reason …`;
          const why = `rolled back by ${by.who}: ${by.reason}; \`${back}\` makes it serve again`;
          return { model, version, status: 'held_back', reason: why, epoch };
        }
        if (moved.kind === 'superseded') {
          return {
            model,
            version,
            status: 'superseded',
            reason: `v${moved.version} was made to serve meanwhile`,
            epoch: moved.epoch,
          };
        }
        return { model, version, status: moved.changed ? 'promoted' : 'already_serving', reason, epoch: moved.epoch };
      });
    },

    async endDeployment({
      run,
      result,
    }: {
      readonly run: RunRef;
      readonly result: DeploymentResult;
    }): Promise<DeploymentResult> {
      return shortActivity(stepNames.deploy, async () => {
        const attempt = await beginDeploy(run);
        await endStep(database, run.runId, stepNames.deploy, attempt, {
          status: result.status === 'already_serving' ? 'reused' : 'succeeded',
          reason: result.reason,
          result,
        });
        return result;
      });
    },
  };
}
