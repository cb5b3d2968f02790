import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { StepError } from '../contracts/run.js';
import { PipelineError, TransientError } from '../errors.js';
import { hideParameters } from '../hide-parameters.js';
import { diskFull } from '../storage/disk-full.js';

/** An error nobody classified may be a passing fault or a bug: it is tried this often, then given up. */
export const UNKNOWN_ERROR_ATTEMPTS = 4;

/** The one place where errors become Temporal failures: type = class, non-retryable = terminal, details = what the CLI prints. */
export function toFailure(caught: unknown, step: string, attempt: number): Error {
  if (caught instanceof CancelledFailure || caught instanceof ApplicationFailure) return caught;
  const error = diskFull(caught);
  const described = describeError(error, step);
  return ApplicationFailure.create({
    message: described.message,
    type: error instanceof Error ? error.constructor.name : 'Error',
    nonRetryable: error instanceof PipelineError ? error.terminal : attempt >= UNKNOWN_ERROR_ATTEMPTS,
    details: [described],
    ...retryDelay(error),
    // What another error says is in the details, without the parameters of addresses.
    ...(error instanceof PipelineError ? { cause: error } : {}),
  });
}

/** What a server asked for (Retry-After) goes before the activity's own back-off. */
function retryDelay(error: unknown): { nextRetryDelay?: number } {
  const waitMs = error instanceof TransientError ? error.details['retryAfterMs'] : undefined;
  return typeof waitMs === 'number' ? { nextRetryDelay: waitMs } : {};
}

export function describeError(caught: unknown, step?: string): StepError {
  const error = diskFull(caught);
  const base = step === undefined ? {} : { step: hideParameters(step) };
  if (error instanceof PipelineError) {
    return {
      ...base,
      code: error.code,
      message: error.message,
      terminal: error.terminal,
      ...(error.at === undefined ? {} : { at: error.at }),
      ...(error.next === undefined ? {} : { next: error.next }),
      ...(error.stack === undefined ? {} : { stack: error.stack }),
      details: error.details,
    };
  }
  if (!(error instanceof Error)) return { ...base, code: 'UNKNOWN', message: hideParameters(String(error)) };
  return {
    ...base,
    code: 'UNKNOWN',
    message: hideParameters(error.message),
    ...(error.stack === undefined ? {} : { stack: hideParameters(error.stack) }),
  };
}
