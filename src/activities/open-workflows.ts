import type { Client } from '@temporalio/client';
import { taskQueue } from '../contracts/queues.js';

/**
 * The hashes in what a project's open workflows were started with, code bundles among them: a backfill that is paused for months has no run on
 * record, and goes on with the code of its start.
 */
export async function hashesOfOpenWorkflows(client: Client, project: string): Promise<string[]> {
  const { namespace } = client.options;
  const hashes = new Set<string>();
  const query = `ExecutionStatus = 'Running' AND TaskQueue = '${taskQueue('default')}'`;
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    // `env/project/stage/unit`, whether or not the namespace knows plumbline's search attributes.
    if (workflowId.split('/')[1] !== project) continue;
    const execution = { workflowId, runId };
    const { history } = await client.workflowService.getWorkflowExecutionHistory({ namespace, execution, maximumPageSize: 1 }); // prettier-ignore
    const input = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    for (const { data } of input)
      for (const [hash] of Buffer.from(data ?? []).toString('utf8').matchAll(/\b[0-9a-f]{64}\b/g)) hashes.add(hash); // prettier-ignore
  }
  return [...hashes];
}
