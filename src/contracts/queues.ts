/** `default` runs workflows and I/O, `heavy` CPU work; other names are the user's own (`gpu`). */
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

/** Signal to a deployment: a decision row was written, read it. */
export const DECISION_SIGNAL = 'decision';

export const SEARCH_ATTRIBUTES = {
  PlumblineProject: 'KEYWORD',
  PlumblineStage: 'KEYWORD',
  PlumblineEnv: 'KEYWORD',
  PlumblineModelVersion: 'KEYWORD',
  PlumblineRows: 'INT',
} as const;
