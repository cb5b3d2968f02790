import type { StepError } from '../contracts/run.js';
import { TransientError } from '../errors.js';
import type { TemporalConnection } from './connect.js';
import { workflowError } from './workflow-error.js';

export interface RunWorkflow {
  /** The run it works for: the id of a workflow belongs to the project, so it may be a later run than the one meant. */
  readonly runId: string | undefined;
  /** Temporal's word, e.g. `RUNNING`, `TERMINATED`. */
  readonly status: string;
}

/** The newest workflow of that id; undefined when Temporal has none (any more). Throws TEMPORAL_UNREACHABLE within 5 s. */
export async function findRunWorkflow(temporal: TemporalConnection, id: string): Promise<RunWorkflow | undefined> {
  const { WorkflowNotFoundError } = await import('@temporalio/client');
  try {
    const { memo, status } = await ask(temporal, () => temporal.client.workflow.getHandle(id).describe());
    return { runId: memo?.['runId'] as string | undefined, status: status.name };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** What a worker said of a workflow that has ended, if it failed. Throws TEMPORAL_UNREACHABLE within 5 s. */
export async function findWorkflowError(temporal: TemporalConnection, id: string): Promise<StepError | undefined> {
  const { WorkflowFailedError } = await import('@temporalio/client');
  try {
    await ask(temporal, () => temporal.client.workflow.getHandle(id).result());
    return undefined;
  } catch (error) {
    if (error instanceof WorkflowFailedError) return workflowError(error);
    throw error;
  }
}

const ANSWER_MS = 5_000;
/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html: cancelled, deadline, exhausted, aborted, internal, unavailable. */
const AWAY = new Set([1, 4, 8, 10, 13, 14]);

async function ask<T>({ client }: TemporalConnection, question: () => Promise<T>): Promise<T> {
  try {
    return await client.withDeadline(Date.now() + ANSWER_MS, question);
  } catch (error) {
    const { code, details } = (error as { cause?: { code?: unknown; details?: unknown } }).cause ?? {};
    if (typeof code !== 'number' || !AWAY.has(code)) throw error;
    throw new TransientError('TEMPORAL_UNREACHABLE', `Asking Temporal about a workflow failed: ${String(details)}.`, {
      next: 'See whether it runs with `plumbline status`.',
      cause: error,
    });
  }
}
