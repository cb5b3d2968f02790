import type { ActivityOptions } from '@temporalio/workflow';
import { ActivityCancellationType } from '@temporalio/workflow';

// A killed worker is noticed after the heartbeat timeout, and its work must go on within 10 s: 6 s + a retry after 1 to 3 s.
const heartbeatTimeout = '6 seconds';
// Deaths of the worker count as failures, so the back-off must stay short however often it was killed.
const retry = { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '3 seconds' } as const;
// The activity's own clean-up (dropping a stage, cancelling a statement) is part of a cancellation.
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** Metadata in PostgreSQL: milliseconds, unless PostgreSQL is away, which it may be for some minutes. */
export const quickQuery: ActivityOptions = {
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '30 minutes',
  heartbeatTimeout,
  retry,
  cancellationType,
};

/** Reading, loading, transforming: as long as the data asks for, as long as it heartbeats. */
export const bulkLoad: ActivityOptions = {
  startToCloseTimeout: '12 hours',
  scheduleToCloseTimeout: '2 days',
  heartbeatTimeout,
  retry,
  cancellationType,
};

/** CPU work on the heavy queue; a killed attempt goes on from its checkpoint. */
export const training: ActivityOptions = { ...bulkLoad, taskQueue: 'plumbline-heavy' };

/**
 * GET for runs that are still to come, on a queue of its own: however slow a source is, it leaves the steps of runs their slots. What finds
 * no slot in time is left to its run.
 */
export const landing: ActivityOptions = {
  ...bulkLoad,
  taskQueue: 'plumbline-ahead',
  scheduleToStartTimeout: '5 minutes',
};

/** Closing a run must happen even when everything else went wrong. */
export const closing: ActivityOptions = { ...quickQuery, scheduleToCloseTimeout: '1 day' };
