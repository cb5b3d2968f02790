import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type { StepError } from '../contracts/run.js';
import { stepErrorOf } from './run-scope.js';

export interface Step<T> {
  readonly name: string;
  /** Names of steps that it waits for: of the same call, which lists them before it, or of an earlier one with the same endings. */
  readonly after: readonly string[];
  readonly start: () => Promise<T>;
}

/** What did not end well, over all calls of a stage. */
export interface BadEndings {
  /** In the order in which they came. */
  readonly failed: { readonly step: string; readonly failure: unknown }[];
  /** Step → the failed step that it would have read. */
  readonly skipped: Record<string, string>;
}

/**
 * Runs each step as soon as those that it waits for are there, and waits for all of them: one that fails keeps from
 * running only what waits for it, directly or through others. Gives the results of those that ended well, in their order.
 * A cancellation ends all, and is thrown when the last has ended.
 */
export async function settleSteps<T>(steps: readonly Step<T>[], endings: BadEndings): Promise<T[]> {
  const { failed, skipped } = endings;
  const ended = new Map<string, Promise<T | undefined>>();
  const settle = async ({ name, after, start }: Step<T>): Promise<T | undefined> => {
    await Promise.all(after.flatMap((one) => ended.get(one) ?? []));
    const missing = after.find((one) => one in skipped || failed.some(({ step }) => step === one));
    if (missing !== undefined) {
      skipped[name] = skipped[missing] ?? missing;
      return undefined;
    }
    try {
      return await start();
    } catch (failure) {
      failed.push({ step: name, failure });
      return undefined;
    }
  };
  for (const step of steps) ended.set(step.name, settle(step));
  const results = await Promise.all(ended.values());
  const cancelled = failed.find(({ failure }) => isCancellation(failure));
  if (cancelled !== undefined) throw cancelled.failure;
  return results.filter((result) => result !== undefined);
}

/** Throws the error of the step that failed first, which names the others too, with what was not run for them. */
export function throwFailed({ failed, skipped }: BadEndings): void {
  const [first, ...others] = failed;
  if (first === undefined) return;
  const errors = failed.map(({ step, failure }) => ({ step, ...stepErrorOf(failure) }));
  const also = others.length === 0 ? '' : ` ${others.map(({ step }) => step).join(', ')} failed too.`;
  const error: StepError = {
    ...errors[0]!,
    message: `${errors[0]!.message}${also}`,
    // A retry runs the same code, which ends the same way if one of them does.
    terminal: errors.some(({ terminal }) => terminal === true),
    ...(Object.keys(skipped).length === 0 ? {} : { skipped }),
  };
  throw ApplicationFailure.create({
    message: error.message,
    type: 'TerminalError',
    nonRetryable: true,
    details: [error],
    ...(first.failure instanceof Error ? { cause: first.failure } : {}),
  });
}
