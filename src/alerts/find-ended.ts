import type { Database } from '../model/database.js';
import { closeRunRow } from '../storage/close-run.js';
import { settleInterval } from '../storage/intervals.js';
import { failDeployStep, listOpenDeployments, skipRest, type OpenDeployment } from '../storage/run-steps.js';
import { listSilentRuns, type SilentRun } from '../storage/runs.js';

/**
 * How a workflow ended, in Temporal's words (`TERMINATED`, `TIMED_OUT`); undefined while it runs, and when Temporal does not
 * know it. Throws when Temporal is away.
 */
export interface WorkflowEnds {
  ofRun(run: SilentRun): Promise<string | undefined>;
  ofDeployment(deployment: OpenDeployment): Promise<string | undefined>;
}

/**
 * Closes the record of each run and each deployment whose workflow was ended from outside, so that nothing of its own could
 * do it. Asks about runs without a sign of life only. Any number of processes may do so at once.
 */
export async function findEnded(database: Database, ends: WorkflowEnds): Promise<void> {
  for (const run of await listSilentRuns(database)) {
    const ended = await ends.ofRun(run);
    if (ended === undefined) continue;
    const { runId } = run;
    await database.transaction(async (session) => {
      const error = {
        code: 'RUN_ENDED_OUTSIDE',
        message: `Run ${runId} ended in Temporal as ${ended.toLowerCase()} before it could close itself.`,
        next: 'Look at the workflow in the Temporal UI for who ended it; `plumbline run` goes on from what is done.',
      };
      if (!(await closeRunRow(session, runId, 'failed', error))) return;
      // Its lease stays, run out: whoever takes it over ends what this run may have left open.
      await skipRest(session, runId, true);
      await settleInterval(session, runId);
    });
  }
  for (const deployment of await listOpenDeployments(database)) {
    const ended = await ends.ofDeployment(deployment);
    if (ended === undefined) continue;
    const { runId, model, version } = deployment;
    await failDeployStep(database, runId, {
      code: 'DEPLOY_ENDED_OUTSIDE',
      message: `The deployment of ${model} v${version} ended in Temporal as ${ended.toLowerCase()}; what serves stays.`,
      next: `Run it again, or \`plumbline models promote ${model} ${version} --reason …\`.`,
    });
  }
}
