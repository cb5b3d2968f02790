import { z } from 'zod';
import { runRef } from './run.js';

export const deploymentInput = z.object({
  run: runRef,
  model: z.string(),
  version: z.number().int().positive(),
  digest: z.string(),
  approval: z.enum(['none', 'manual']),
  approvalTimeoutMs: z.number().positive(),
  /** Where a wait goes on that was continued as a new workflow. */
  waiting: z.object({ expectedEpoch: z.number().int(), deadline: z.number() }).optional(),
});
export type DeploymentInput = z.infer<typeof deploymentInput>;

export type DeploymentStatus = 'promoted' | 'already_serving' | 'rejected' | 'superseded' | 'timed_out' | 'held_back';

export interface DeploymentResult {
  readonly model: string;
  readonly version: number;
  readonly status: DeploymentStatus;
  readonly reason: string;
  /** Epoch of the serving pointer after the promotion. */
  readonly epoch?: number;
}

/** What stands in PostgreSQL for one version: the row is the decision, the signal only says that there is one. */
export interface DecisionState {
  readonly decision: 'approve' | 'reject' | null;
  readonly who?: string;
  readonly reason?: string;
}

export const promoteInput = deploymentInput.extend({
  expectedEpoch: z.number().int(),
  who: z.string(),
  reason: z.string(),
});
export type PromoteInput = z.infer<typeof promoteInput>;
