import type { RunRef } from '../contracts/run.js';
import { failpoint } from '../failpoint.js';
import { BRIEFLY_LOCKED } from '../model/brief-transaction.js';
import type { Database, Session } from '../model/database.js';
import { saveResult } from '../storage/step-results.js';
import { fingerprint, type StepInputs } from './fingerprint.js';

/** Records a step's outcome for reuse, in one transaction with the proof that this attempt may still write it. */
export async function saveOutcome(
  database: Database,
  run: RunRef,
  step: string,
  inputs: StepInputs,
  result: unknown,
  fence: (session: Session) => Promise<void>,
): Promise<void> {
  // It holds the step and the lease.
  await database.transaction(async (session) => {
    await recordOutcome(session, run, step, inputs, result, fence);
    await failpoint('outcome.before-commit');
  }, BRIEFLY_LOCKED);
}

/** `saveOutcome` inside the transaction that publishes, so that the record and the table never part. */
export async function recordOutcome(
  session: Session,
  run: RunRef,
  step: string,
  inputs: StepInputs,
  result: unknown,
  fence: (session: Session) => Promise<void>,
): Promise<void> {
  await fence(session);
  const { env, project, runId } = run;
  await saveResult(session, { env, project, step, fingerprint: fingerprint(inputs), inputs, result, runId });
}
