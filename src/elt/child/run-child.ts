import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { TerminalError } from '../../errors.js';
import type { GuardReport } from './guard-report.js';
import { readLines } from './read-lines.js';
import { shownLine } from './shown-line.js';

export interface ChildOptions {
  /** Program and parameters; no shell is between. Never a secret: every user of the machine can read them. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** All of it: see `childEnvironment`. */
  readonly environment: Readonly<Record<string, string>>;
  /** For its standard input. @default empty */
  readonly input?: string;
  /** The file descriptor whose lines are taken. With 3, what it prints goes to its standard error. @default 1 */
  readonly output?: 1 | 3;
  /**
   * Called line by line; the program waits when this does. What it throws ends the program and is thrown. A last line without its end is one only of a program
   * that ended well: one that was killed may have been in the middle of it.
   */
  readonly onLine: (line: Buffer) => void | Promise<void>;
  /** @default 64 MiB */
  readonly maxLineBytes?: number;
  /** Lines of standard error, as they may be shown: redacted, without control characters, at most 4,000 characters. */
  readonly onLog?: (line: string) => void;
  /** Takes secrets out of a text. */
  readonly redact?: (text: string) => string;
  readonly signal?: AbortSignal | undefined;
  /** How long it has from SIGTERM to SIGKILL. @default 5000 */
  readonly graceMs?: number;
}

export interface ChildResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last lines of standard error, at most 20, as they may be shown. */
  readonly stderrTail: readonly string[];
}

const MAX_LINE_BYTES = 64 << 20;
const TAIL_LINES = 20;

/**
 * Runs a program until it ends, with all that it has started, in a process group behind a guard. The group ends with
 * SIGTERM, then SIGKILL, when `signal` aborts, when `onLine` throws and when this process is gone, however it was killed.
 * An exit code other than 0 is a result and no error.
 *
 * Throws `ELT_CHILD_START`, `ELT_CHILD_LINE` (terminal), the reason of `signal`, and what `onLine` throws.
 */
export async function runChild(options: ChildOptions): Promise<ChildResult> {
  const { command, signal, graceMs = 5_000, maxLineBytes = MAX_LINE_BYTES } = options;
  signal?.throwIfAborted();
  const guard = await startGuard(options, graceMs);
  const ended = once(guard, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  let kill: NodeJS.Timeout | undefined;
  const stop = (): void => {
    if (kill !== undefined) return;
    signalGroup(guard, 'SIGTERM');
    kill = setTimeout(() => signalGroup(guard, 'SIGKILL'), graceMs);
  };
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted === true) stop();

  let failure: { readonly error: unknown } | undefined;
  let isBusy = false;
  let rest: Buffer | undefined;
  const tail: string[] = [];
  const take = async (line: Buffer): Promise<void> => {
    // A program that is being ended may still have to write.
    if (failure !== undefined || signal?.aborted === true) return;
    try {
      isBusy = true;
      await options.onLine(line);
    } catch (error) {
      failure = { error };
      stop();
    } finally {
      isBusy = false;
    }
  };
  const reading = readLines(guard.stdout!, {
    maxBytes: maxLineBytes,
    onLine: take,
    onRest: (line) => void (rest = line),
    onLongLine(start, number) {
      failure ??= { error: longLine(command[0], number, maxLineBytes) };
      stop();
      return start.subarray(0, 0);
    },
  });
  const logging = readLines(guard.stderr!, {
    maxBytes: MAX_LOG_LINE_BYTES,
    onLine(line) {
      const shown = shownLine(line, options.redact);
      if (tail.push(shown) > TAIL_LINES) tail.shift();
      options.onLog?.(shown);
    },
    onLongLine: (start) => start,
  });
  // They are waited for when the program has ended.
  for (const one of [reading, logging]) one.catch(() => {});
  const lifeline = guard.stdio[3] as Duplex;
  const reporting = text(lifeline).catch(() => '');
  try {
    guard.stdin!.on('error', () => {});
    guard.stdin!.end(options.input ?? '');
    const [exitCode, exitSignal] = await ended;
    const report = readReport(await reporting);
    // A guard that was killed has ended nothing.
    if (report === undefined) signalGroup(guard, 'SIGKILL');
    await readRest(guard, Promise.all([reading, logging]), () => isBusy);
    if (rest !== undefined && report !== undefined && 'exitCode' in report && report.exitCode === 0) await take(rest);
    if (failure !== undefined) throw failure.error;
    signal?.throwIfAborted();
    if (report !== undefined && 'error' in report) throw notStarted(options, report);
    return { ...(report ?? { exitCode, signal: exitSignal }), stderrTail: tail };
  } finally {
    clearTimeout(kill);
    signal?.removeEventListener('abort', stop);
    lifeline.destroy();
  }
}

// Longer ones are cut; a traceback's line is far shorter.
const MAX_LOG_LINE_BYTES = 64 << 10;

async function startGuard(options: ChildOptions, graceMs: number): Promise<ChildProcess> {
  const { command, cwd, environment, output = 1 } = options;
  if (!existsSync(cwd)) throw notStarted(options, { error: `there is no folder ${cwd}`, code: 'ENOENT' });
  const parameters = [guardFile(), String(output), String(graceMs), ...command];
  const guard = spawn(process.execPath, parameters, {
    cwd,
    env: { ...environment },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  await once(guard, 'spawn').catch((error: Error) => {
    throw notStarted(options, { error: error.message, code: undefined });
  });
  return guard;
}

/** The compiled guard: beside this file, or in dist when this file runs as TypeScript. */
function guardFile(): string {
  const place = import.meta.url.endsWith('.ts') ? '../../../dist/elt/child/guard.js' : './guard.js';
  return fileURLToPath(new URL(place, import.meta.url));
}

function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  try {
    process.kill(-pid!, name);
  } catch {
    // Nothing is left of the group.
  }
}

function readReport(text: string): GuardReport | undefined {
  return text === '' ? undefined : (JSON.parse(text) as GuardReport);
}

/** What a pipe can hold of the program's own, and much more. */
const MAX_REST_BYTES = 4 << 20;
const LOOK_MS = 1_000;
const MAX_LOOKS = 5;

/**
 * Waits for the end of both pipes. A process that left the group may hold them open, and write into them, for ever. What the program itself wrote is in
 * them already, so nothing of it is lost when they are closed after a second without anything to read, after five seconds, or when more came than they hold.
 */
async function readRest(
  { stdout, stderr }: ChildProcess,
  reading: Promise<unknown>,
  isBusy: () => boolean,
): Promise<void> {
  const pipes = [stdout as Socket, stderr as Socket];
  const bytesRead = (): number => pipes.reduce((sum, pipe) => sum + pipe.bytesRead, 0);
  const atEnd = bytesRead();
  let before = -1;
  let looks = 0;
  let isGivenUp = false;
  const look = (): void => {
    const bytes = bytesRead();
    if (!isBusy()) looks++;
    isGivenUp = bytes - atEnd > MAX_REST_BYTES || (!isBusy() && (bytes === before || looks >= MAX_LOOKS));
    if (isGivenUp) for (const pipe of pipes) pipe.destroy();
    before = bytes;
  };
  // Behind a pause of this process, what there is to read is read first: a timer alone would come before it.
  const watch = setInterval(() => setImmediate(look), LOOK_MS);
  try {
    await reading;
  } catch (error) {
    if (!isGivenUp) throw error;
  } finally {
    clearInterval(watch);
  }
}

function notStarted(
  { command }: ChildOptions,
  { error, code }: Extract<GuardReport, { error: string }>,
): TerminalError {
  const why = code === 'ENOENT' && !error.startsWith('there is') ? 'there is no such program' : error;
  return new TerminalError('ELT_CHILD_START', `Starting ${command[0]} failed: ${why}.`, {
    details: { program: command[0] },
    next: 'Install it where the workers run, or correct its name.',
  });
}

function longLine(program: string, number: number, maxBytes: number): TerminalError {
  return new TerminalError(
    'ELT_CHILD_LINE',
    `Reading what ${program} writes failed: line ${number} is longer than ${maxBytes.toLocaleString('en')} bytes.`,
    { details: { line: number, maxBytes }, next: 'Write smaller rows: a large document belongs into a file.' },
  );
}
