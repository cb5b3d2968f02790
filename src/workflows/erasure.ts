import { proxyActivities } from '@temporalio/workflow';
import type { MaintenanceActivities } from '../activities/maintenance.js';
import type { ErasureInput, ErasureResult } from '../contracts/erasure.js';
import { counted } from '../model/plural.js';
import { bulkLoad } from './activity-options.js';
import { createReport, setSearchAttributes } from './run-scope.js';

const { forgetKey } = proxyActivities<MaintenanceActivities>(bulkLoad);

/** Forgets one key: waits for a run in progress, then deletes. Goes on after the death of its worker. Its history never has the value. */
export async function erasure(input: ErasureInput): Promise<ErasureResult> {
  const { env, project, key } = input;
  const report = createReport(input, `forgetting a ${key}`);
  setSearchAttributes(input, { PlumblineProject: project, PlumblineEnv: env, PlumblineStage: 'forget' });
  const result = await forgetKey(input);
  for (const { kind, place, rows, outcome } of result.erased)
    report(`${kind} ${place}: ${counted(rows, 'row')} ${outcome}`);
  return result;
}
