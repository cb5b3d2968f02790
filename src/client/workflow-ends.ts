import type { Settings } from '../config.js';
import { deploymentWorkflowId } from '../contracts/queues.js';
import { connectTemporal, type TemporalConnection } from './connect.js';
import { findRunWorkflow } from './run-workflow.js';

/**
 * Asks the Temporal of the settings how workflows ended: Temporal's word, undefined while they run and when it does not know
 * them, as another Temporal would not. Connects for each question, as there are few. Throws TEMPORAL_UNREACHABLE.
 */
export function createWorkflowEnds(settings: Settings) {
  const ask = async <T>(question: (temporal: TemporalConnection) => Promise<T>): Promise<T> => {
    const temporal = await connectTemporal(settings);
    try {
      return await question(temporal);
    } finally {
      await temporal.close();
    }
  };
  return {
    async ofRun({ runId, workflowId }: { runId: string; workflowId: string }): Promise<string | undefined> {
      const workflow = await ask((temporal) => findRunWorkflow(temporal, workflowId));
      if (workflow === undefined) return undefined;
      // The id belongs to the project, which has one run at a time: by now it is a later one's.
      if (workflow.runId !== runId) return workflow.runId === undefined ? undefined : 'ENDED';
      return workflow.status === 'RUNNING' ? undefined : workflow.status;
    },
    async ofDeployment(of: {
      env: string;
      project: string;
      model: string;
      version: number;
    }): Promise<string | undefined> {
      const id = deploymentWorkflowId(of.env, of.project, of.model, of.version);
      const workflow = await ask((temporal) => findRunWorkflow(temporal, id));
      return workflow === undefined || workflow.status === 'RUNNING' ? undefined : workflow.status;
    },
  };
}
