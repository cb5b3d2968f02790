import type { StepError } from '../contracts/run.js';

/** What the worker said of a failed workflow, found under Temporal's wrapping; undefined when no worker said anything. */
export function workflowError(error: unknown): StepError | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    const { details } = current as { readonly details?: unknown };
    const described: unknown = Array.isArray(details) ? details[0] : undefined;
    if (isStepError(described)) return described;
  }
  return undefined;
}

function isStepError(value: unknown): value is StepError {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}
