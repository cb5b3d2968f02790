import { randomBytes } from 'node:crypto';
import type { BackfillInput, BackfillProgress } from '../contracts/intervals.js';
import { BACKFILL_MESSAGES, taskQueue, workflowId } from '../contracts/queues.js';
import { TerminalError } from '../errors.js';
import { shownInterval } from '../model/data-interval.js';
import type { TemporalConnection } from './connect.js';

interface Owner {
  readonly env: string;
  readonly project: string;
}

/** Starts the backfill of a project; one at a time. Throws `BACKFILL_ALREADY_RUNNING` (terminal). Gives its id. */
export async function startBackfill(
  { client }: TemporalConnection,
  request: Omit<BackfillInput, 'backfillId' | 'startedBy'> & { readonly who: string },
): Promise<string> {
  const { who: startedBy, ...rest } = request;
  const { env, project } = rest.template;
  const backfillId = randomBytes(4).toString('hex');
  const { WorkflowExecutionAlreadyStartedError } = await import('@temporalio/client');
  try {
    await client.workflow.start('backfill', {
      taskQueue: taskQueue('default'),
      workflowId: idOf({ env, project }),
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowTaskTimeout: '5s',
      staticSummary: `${project} · ${env} · backfill ${shownInterval({ start: rest.from, end: rest.until })}`,
      memo: { backfillId },
      args: [{ ...rest, backfillId, startedBy } satisfies BackfillInput],
    });
    return backfillId;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new TerminalError(
      'BACKFILL_ALREADY_RUNNING',
      `Starting a backfill of ${project} (${env}) failed: one is in progress.`,
      { next: 'See `plumbline backfills show`; end it with `plumbline backfills cancel`.', cause: error },
    );
  }
}

/** How far the newest backfill is, asked of the worker that runs it; undefined when there was none, or none is known. */
export async function backfillProgress(
  { client }: TemporalConnection,
  owner: Owner,
): Promise<(BackfillProgress & { readonly status: string }) | undefined> {
  const { WorkflowNotFoundError } = await import('@temporalio/client');
  const handle = client.workflow.getHandle(idOf(owner));
  try {
    const { status } = await handle.describe();
    const progress = await handle.query<BackfillProgress>(BACKFILL_MESSAGES.progress);
    const isOver = status.name !== 'RUNNING';
    return { ...progress, ...(isOver ? { state: 'over' as const } : {}), status: status.name.toLowerCase() };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Throws `BACKFILL_NOT_RUNNING` (terminal). A cancelled backfill cancels the run in progress, which changes nothing then. */
export async function changeBackfill(
  { client }: TemporalConnection,
  owner: Owner,
  change: 'pause' | 'resume' | 'cancel',
): Promise<void> {
  const { WorkflowNotFoundError } = await import('@temporalio/client');
  const handle = client.workflow.getHandle(idOf(owner));
  try {
    if (change === 'cancel') await handle.cancel();
    else await handle.signal(BACKFILL_MESSAGES[change]);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    throw new TerminalError('BACKFILL_NOT_RUNNING', `${owner.project} (${owner.env}) has no backfill in progress.`, {
      next: 'See what is missing with `plumbline backfill --from … --to … --dry-run`.',
      cause: error,
    });
  }
}

function idOf({ env, project }: Owner): string {
  return workflowId(env, project, 'backfill');
}
