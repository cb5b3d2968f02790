/** `default` runs workflows and I/O, `ahead` what backfills land ahead, `heavy` CPU work; other names are the user's own (`gpu`). */
export type QueueName = string;

/** Task queue in Temporal of a queue's name; prefixed because clusters are shared. */
export function taskQueue(queue: QueueName): string {
  return `plumbline-${queue}`;
}

/** Business identity of a workflow: starting it twice finds the first. */
export function workflowId(env: string, project: string, stage: string, unit = 'latest'): string {
  return `${env}/${project}/${stage}/${unit}`;
}

export function deploymentWorkflowId(env: string, project: string, model: string, version: number): string {
  return workflowId(env, project, 'deployment', `${model}-v${version}`);
}

/** A schedule's id; Temporal appends the time to the id of the workflows that it starts. */
export function scheduleId(env: string, project: string, name: string): string {
  return workflowId(env, project, 'schedule', name);
}

/** Signal to a deployment: a decision row was written, read it. */
export const DECISION_SIGNAL = 'decision';

/** Signal to a start of a schedule: begin no other run, and end. */
export const STOP_SIGNAL = 'stop';

/** Signals to a backfill, and what it answers. `giveWay`: a start of a schedule waits, and tries again in so many milliseconds. */
export const BACKFILL_MESSAGES = {
  pause: 'pause',
  resume: 'resume',
  giveWay: 'giveWay',
  progress: 'progress',
} as const;

export const SEARCH_ATTRIBUTES = {
  PlumblineProject: 'KEYWORD',
  PlumblineStage: 'KEYWORD',
  PlumblineEnv: 'KEYWORD',
  PlumblineModelVersion: 'KEYWORD',
  PlumblineRows: 'INT',
} as const;
