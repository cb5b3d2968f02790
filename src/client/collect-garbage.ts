import type { GarbageCollectionInput, GarbageCollectionResult } from '../contracts/garbage-collection.js';
import { taskQueue, workflowId } from '../contracts/queues.js';
import type { TemporalConnection } from './connect.js';

/** Collects garbage and waits for the end; while one is at work, for that one's. Throws what the worker says. */
export async function collectGarbage(
  { client }: TemporalConnection,
  input: GarbageCollectionInput,
): Promise<GarbageCollectionResult> {
  const { env, project, dryRun } = input;
  return (await client.workflow.execute('garbageCollection', {
    taskQueue: taskQueue('default'),
    workflowId: workflowId(env, project, 'gc', dryRun ? 'dry-run' : 'latest'),
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowTaskTimeout: '5s',
    staticSummary: `${project} · ${env} · garbage collection`,
    args: [input],
  })) as GarbageCollectionResult;
}
