import type { ErasureInput, ErasureResult } from '../contracts/erasure.js';
import { taskQueue, workflowId } from '../contracts/queues.js';
import type { TemporalConnection } from './connect.js';

/** Forgets a key that is on record and waits for the end; the same again waits for the same. */
export async function forgetKey({ client }: TemporalConnection, input: ErasureInput): Promise<ErasureResult> {
  const { env, project, key, erasureId } = input;
  return (await client.workflow.execute('erasure', {
    taskQueue: taskQueue('default'),
    workflowId: workflowId(env, project, 'forget', erasureId),
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowTaskTimeout: '5s',
    staticSummary: `${project} · ${env} · forgetting a ${key}`,
    args: [input],
  })) as ErasureResult;
}
