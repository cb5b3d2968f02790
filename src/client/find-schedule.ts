import type { ScheduleDescription, ScheduleHandle } from '@temporalio/client';
import { scheduleId, STOP_SIGNAL } from '../contracts/queues.js';
import { TerminalError } from '../errors.js';
import type { Project } from '../model/project.js';
import type { TemporalConnection } from './connect.js';

type Owner = Pick<Project, 'env' | 'name'>;

/** Undefined when Temporal has none of that name. */
export async function findTemporalSchedule(
  temporal: TemporalConnection,
  owner: Owner,
  name: string,
): Promise<ScheduleDescription | undefined> {
  const { ScheduleNotFoundError } = await import('@temporalio/client');
  try {
    return await handleOf(temporal, owner, name).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/** Does `work` on a schedule. Throws `SCHEDULE_NOT_FOUND` (terminal) when Temporal has none of that name. */
export async function onTemporalSchedule<T>(
  temporal: TemporalConnection,
  owner: Owner,
  name: string,
  work: (schedule: ScheduleHandle) => Promise<T>,
): Promise<T> {
  const { ScheduleNotFoundError } = await import('@temporalio/client');
  try {
    return await work(handleOf(temporal, owner, name));
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    throw new TerminalError('SCHEDULE_NOT_FOUND', `Temporal has no schedule ${name} of ${owner.name} (${owner.env}).`, {
      next: 'Make it with `plumbline schedule apply`; see `plumbline schedule list`.',
      cause: error,
    });
  }
}

/**
 * Deletes it; one that is gone already is as good. A start in progress ends behind its run. Gives how many there are.
 */
export async function removeTemporalSchedule(
  temporal: TemporalConnection,
  owner: Owner,
  name: string,
): Promise<number> {
  const { ScheduleNotFoundError } = await import('@temporalio/client');
  const found = await findTemporalSchedule(temporal, owner, name);
  try {
    await handleOf(temporal, owner, name).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
  return found === undefined ? 0 : endStarts(temporal, found, 'behind their run');
}

/**
 * Ends the starts of a schedule that run or wait: at once, with the run in progress, or behind that run. Temporal keeps it
 * until a worker is there. Gives how many there were.
 */
export async function endStarts(
  { client }: TemporalConnection,
  { info }: ScheduleDescription,
  when: 'now' | 'behind their run',
): Promise<number> {
  const { WorkflowNotFoundError } = await import('@temporalio/client');
  let told = 0;
  for (const { workflow } of info.runningActions) {
    // Without its run id, as it may go on as a new workflow; the id holds the time, so no other start has it.
    const start = client.workflow.getHandle(workflow.workflowId);
    try {
      await (when === 'now' ? start.cancel() : start.signal(STOP_SIGNAL));
      told++;
    } catch (error) {
      // It has ended meanwhile.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
  return told;
}

function handleOf({ client }: TemporalConnection, { env, name: project }: Owner, name: string): ScheduleHandle {
  return client.schedule.getHandle(scheduleId(env, project, name));
}
