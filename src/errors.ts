import { hideParameters, hideParametersIn } from './hide-parameters.js';

/**
 * Two families decide retries: a TerminalError stays wrong however often it is tried (bad input, a failed test),
 * a TransientError may pass (a connection, a lock). Domain code throws these; `activities/failures.ts` alone turns
 * them into Temporal failures.
 */

/** The user's own file behind an error. Lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

export interface ErrorContext {
  /** Plain JSON: table, column, row counts, value received. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly at?: SourcePosition;
  /** What the user does next: one imperative sentence or a command. */
  readonly next?: string;
  readonly cause?: unknown;
}

/** What goes into logs, histories and tables: addresses in it are kept without their parameters. */
export abstract class PipelineError extends Error {
  abstract readonly terminal: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  readonly at?: SourcePosition;
  readonly next?: string;

  /**
   * @param code stable and documented in docs/reference/errors.md, e.g. `ELT_FILE_EMPTY`
   * @param message one sentence: what was attempted, on what, the value received, what was expected
   */
  constructor(
    readonly code: string,
    message: string,
    context: ErrorContext = {},
  ) {
    super(hideParameters(message), context.cause === undefined ? undefined : { cause: context.cause });
    this.name = new.target.name;
    this.details = hideParametersIn(context.details ?? {});
    if (context.at !== undefined) this.at = hideParametersIn(context.at);
    if (context.next !== undefined) this.next = hideParameters(context.next);
  }

  /** The same error, with words before its message that say what it happened in; `context` takes the place of its own, key by key. */
  prefixed(words: string, context: ErrorContext = {}): PipelineError {
    const { code, message, details, at, next, cause } = this;
    const own = { details, ...(at && { at }), ...(next !== undefined && { next }), cause };
    const Family = this.terminal ? TerminalError : TransientError;
    return new Family(code, `${words}${message}`, { ...own, ...context });
  }
}

/** Trying again gives the same result. */
export class TerminalError extends PipelineError {
  readonly terminal = true;
}

/** Trying again, later, may succeed. */
export class TransientError extends PipelineError {
  readonly terminal = false;
}
