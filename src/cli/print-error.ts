import type { StepError } from '../contracts/run.js';
import { PipelineError } from '../errors.js';
import { pc } from './colors.js';
import { stepTitle } from './format.js';
import { printableLine } from './printable.js';

export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

const UNREACHABLE = new Set([
  'PG_UNREACHABLE',
  'PG_CONNECTION_LOST',
  'PG_LOGIN_REFUSED',
  'PG_TLS_FAILED',
  'PG_NOT_MIGRATED',
  'TEMPORAL_UNREACHABLE',
  'NO_WORKER',
  'NO_DATABASE',
  'SERVE_UNREACHABLE',
  'EMBEDDED_NOT_RUNNING',
]);

/** An error as a worker described it. */
export class StepFailure extends Error {
  constructor(readonly error: StepError) {
    super(error.message);
  }
}

export interface EndedRun {
  readonly runId: string;
  readonly status: 'failed' | 'cancelled';
  /** Steps whose outcome stays, of those the run has. */
  readonly kept: { readonly done: number; readonly of: number };
}

/** A run that ended badly; the steps were shown already, this carries how much is kept. */
export class RunFailure extends StepFailure {
  constructor(
    error: StepError,
    readonly run: EndedRun,
    /** How much is kept, in words that the command follows. */
    readonly kept: string,
    /** The command that goes on from there. */
    readonly goOn: string,
  ) {
    super(error);
  }
}

export function exitCodeOf(error: unknown): number {
  return error instanceof PipelineError && UNREACHABLE.has(error.code) ? EXIT.unreachable : EXIT.failed;
}

/** Three lines: the step, the cause in one sentence, the user's own file and line; then the command that goes on from there. */
export function printError(error: unknown, options: { readonly verbose: boolean; readonly json: boolean }): void {
  const described = describe(error);
  if (options.json) {
    const run = error instanceof RunFailure ? error.run : {};
    process.stdout.write(`${JSON.stringify({ error: withoutStack(described, options.verbose), ...run })}\n`);
    return;
  }
  const lines = [
    `${pc.red('✗')} ${described.step === undefined ? 'failed' : `${stepTitle(described.step)} failed`} (${described.code})`,
    `  ${described.message}`,
  ];
  if (described.at !== undefined) lines.push(`  ${pc.cyan(position(described.at))}`);
  const next = [described.next, error instanceof RunFailure ? `${error.kept} \`${error.goOn}\`` : undefined].filter(
    Boolean,
  );
  for (const line of next) lines.push(`  ${pc.dim('→')} ${line}`);
  if (options.verbose && described.stack !== undefined) lines.push(pc.dim(described.stack));
  process.stderr.write(`${lines.join('\n')}\n`);
}

function describe(error: unknown): StepError {
  if (error instanceof StepFailure) return error.error;
  if (error instanceof PipelineError) {
    return {
      code: error.code,
      message: error.message,
      details: error.details,
      ...(error.at === undefined ? {} : { at: error.at }),
      ...(error.next === undefined ? {} : { next: error.next }),
      ...(error.stack === undefined ? {} : { stack: error.stack }),
    };
  }
  const known = error instanceof Error ? error : new Error(String(error));
  return {
    code: 'UNKNOWN',
    message: known.message,
    next: 'Run it again with --verbose to see where this happened.',
    ...(known.stack === undefined ? {} : { stack: known.stack }),
  };
}

function withoutStack(error: StepError, verbose: boolean): StepError {
  const { stack, ...rest } = error;
  return verbose && stack !== undefined ? error : rest;
}

function position({ file, line, column }: NonNullable<StepError['at']>): string {
  return [printableLine(file), line, column].filter((part) => part !== undefined).join(':');
}
