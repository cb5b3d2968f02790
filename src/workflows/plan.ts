import { proxyActivities } from '@temporalio/workflow';
import type { RunActivities } from '../activities/run.js';
import type { PlanResult, RunRef } from '../contracts/run.js';
import { bulkLoad } from './activity-options.js';

const { explainPlan } = proxyActivities<RunActivities>(bulkLoad);

/** What a run would do now and why, worked out where it would run. Changes nothing. */
export async function plan(input: { readonly run: RunRef }): Promise<PlanResult> {
  return explainPlan(input);
}
