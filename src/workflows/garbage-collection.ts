import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { MaintenanceActivities } from '../activities/maintenance.js';
import type { GarbageCollectionInput, GarbageCollectionResult } from '../contracts/garbage-collection.js';
import { counted } from '../model/plural.js';
import { bulkLoad } from './activity-options.js';
import { createReport, setSearchAttributes } from './run-scope.js';

const { collectGarbage } = proxyActivities<MaintenanceActivities>(bulkLoad);

/** Deletes what is too old and what nothing refers to. Goes on after the death of its worker; runs need not wait for it. */
export async function garbageCollection(input: GarbageCollectionInput): Promise<GarbageCollectionResult> {
  const { env, project } = input;
  const report = createReport(input, 'garbage collection');
  setSearchAttributes(input, { PlumblineProject: project, PlumblineEnv: env, PlumblineStage: 'gc' });
  const result = await collectGarbage({ ...input, collectionId: workflowInfo().runId });
  const { looked, deleted } = result;
  report(`${counted(looked.count, 'object')}, ${deleted.count} deleted (${counted(deleted.bytes, 'byte')})`);
  return result;
}
