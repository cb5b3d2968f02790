import type { Settings } from '../config.js';
import { DECISION_SIGNAL, deploymentWorkflowId } from '../contracts/queues.js';
import { connectTemporal } from './connect.js';

/**
 * Tells a waiting deployment that a decision row is there. The row counts; a deployment that is not running any more
 * (or not yet) needs no signal, so its absence is not an error.
 */
export async function notifyDecision(
  settings: Settings,
  target: { readonly env: string; readonly project: string; readonly model: string; readonly version: number },
): Promise<'notified' | 'not_running'> {
  const temporal = await connectTemporal(settings);
  const { WorkflowNotFoundError } = await import('@temporalio/client');
  try {
    const id = deploymentWorkflowId(target.env, target.project, target.model, target.version);
    await temporal.client.workflow.getHandle(id).signal(DECISION_SIGNAL);
    return 'notified';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'not_running';
    throw error;
  } finally {
    await temporal.close();
  }
}
