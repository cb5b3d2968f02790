import type { ScheduleDescription, ScheduleHandle } from '@temporalio/client';
import { scheduleId } from '../contracts/queues.js';
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
export async function onTemporalSchedule(
  temporal: TemporalConnection,
  owner: Owner,
  name: string,
  work: (schedule: ScheduleHandle) => Promise<unknown>,
): Promise<void> {
  const { ScheduleNotFoundError } = await import('@temporalio/client');
  try {
    await work(handleOf(temporal, owner, name));
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    throw new TerminalError('SCHEDULE_NOT_FOUND', `Temporal has no schedule ${name} of ${owner.name} (${owner.env}).`, {
      next: 'Make it with `plumbline schedule apply`; see `plumbline schedule list`.',
      cause: error,
    });
  }
}

/** One that is gone already is as good. */
export async function removeTemporalSchedule(temporal: TemporalConnection, owner: Owner, name: string): Promise<void> {
  const { ScheduleNotFoundError } = await import('@temporalio/client');
  try {
    await handleOf(temporal, owner, name).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

function handleOf({ client }: TemporalConnection, { env, name: project }: Owner, name: string): ScheduleHandle {
  return client.schedule.getHandle(scheduleId(env, project, name));
}
