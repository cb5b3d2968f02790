import { TerminalError, TransientError, type PipelineError, type SourcePosition } from '../../errors.js';
import type { ChildResult } from '../child/run-child.js';
import type { ProgramError } from './read-message.js';
import { plural } from '../../model/plural.js';

/** What a program did before it failed. */
export interface ProgramContext {
  readonly runId: string;
  readonly resource: string;
  readonly file: string;
  /** Where the resource is in plumbline.yaml. */
  readonly at: SourcePosition;
  /** Taken from it by this attempt. */
  readonly rows: number;
  readonly stderrTail: readonly string[];
  readonly redact: (text: string) => string;
}

/** An exception of the user's code, at its place: `KeyError: 'id' at sources/github.py:12 in issues`. */
export function raised(error: ProgramError, context: ProgramContext): PipelineError {
  const { resource, file, rows, redact } = context;
  const innermost = error.frames.at(-1);
  const places = error.frames.slice(-3).map((frame) => `${frame.file}:${frame.line ?? '?'}${inFunction(frame)}`);
  const where = places.length === 0 ? file : places.reverse().join(', called at ');
  const message = `Reading ${resource} failed after ${rows} ${plural(rows, 'row')}: ${redact(`${error.type}: ${error.message}`).trimEnd()} at ${where}.`;
  const more = {
    at:
      innermost === undefined
        ? { file }
        : { file: innermost.file, ...(innermost.line !== undefined && { line: innermost.line }) },
    details: detailsOf(context),
  };
  if (error.retry !== true)
    return new TerminalError('ELT_PROGRAM_ERROR', message, {
      ...more,
      next: `Correct ${innermost?.file ?? file}. What came before the last checkpoint is kept unless the code changes.`,
    });
  const wait = error.after === undefined ? {} : { retryAfterMs: Math.ceil(error.after * 1_000) };
  return new TransientError('ELT_PROGRAM_RETRY', message, {
    ...more,
    details: { ...more.details, ...wait },
    next: 'Nothing: the step is tried again, and goes on from the last checkpoint.',
  });
}

/** It ended without an exception and without saying that there are no more rows: killed, out of memory, exit(). */
export function ended({ exitCode, signal }: ChildResult, context: ProgramContext): TransientError {
  const { runId, resource, file, rows, stderrTail, at } = context;
  const how = signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`;
  const why = exitCode === 0 ? ' before its last row' : '';
  const last = stderrTail.findLast((line) => line.trim() !== '');
  const said = last === undefined ? '' : ` Its last words: ${last.trim()}`;
  return new TransientError('ELT_PROGRAM_ENDED', `Reading ${resource} failed after ${rows} ${plural(rows, 'row')}: ${file} ${how}${why}.${said}`, {
    at,
    details: { ...detailsOf(context), exitCode, signal },
    next: `See what it printed with \`plumbline runs logs ${runId}\`. A program that was ended by SIGKILL may have needed more memory than there is.`,
  }); // prettier-ignore
}

const PAUSES_MS = [1_000, 5_000, 15_000, 30_000, 60_000];

/**
 * When a failure that may pass is tried again: after a pause that grows, and not at all when several attempts came no
 * further. @param futile how many, in a row and with this one
 */
export function pausedOrGivenUp(error: PipelineError, futile: number): PipelineError {
  const { code, message, details, at, next } = error;
  const context = { details, ...(at !== undefined && { at }), ...(next !== undefined && { next }), cause: error.cause };
  if (error.terminal) return error;
  const pauseMs = PAUSES_MS[Math.max(0, futile - 1)];
  if (pauseMs === undefined)
    return new TerminalError(code, `${message} It was tried ${futile} times and came no further.`, context);
  return new TransientError(code, message, { ...context, details: { retryAfterMs: pauseMs, ...details } });
}

function inFunction(frame: { readonly function?: string }): string {
  return frame.function === undefined || frame.function === '<module>' ? '' : ` in ${frame.function}`;
}

function detailsOf({ resource, rows, stderrTail }: ProgramContext): Record<string, unknown> {
  return { resource, rows, stderr: stderrTail };
}
