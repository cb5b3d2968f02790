import { createHash } from 'node:crypto';
import { delimiter } from 'node:path';
import { PipelineError, TerminalError } from '../../errors.js';
import { childEnvironment } from '../child/child-environment.js';
import { runChild } from '../child/run-child.js';
import { pluginPath } from '../../model/plugin-path.js';
import type { ResourceConfig } from '../../model/project.js';
import { openSecrets } from '../http/secrets.js';
import { codeDigest } from '../program/code-digest.js';
import { ended, pausedOrGivenUp, raised, type ProgramContext } from '../program/program-failure.js';
import { pluginCommand } from '../program/plugin-command.js';
import { pythonCommand } from '../program/python-command.js';
import { isRow, readMessage, type ProgramError } from '../program/read-message.js';
import { resolveSecrets } from '../program/resolve-secrets.js';
import { openLanding, type Landing, type LandedRows, type LandingOptions } from './land-rows.js';

export interface ProgramExtractOptions extends Omit<LandingOptions, 'resource' | 'origin' | 'settings'> {
  readonly resource: ResourceConfig;
  /** The folder of the unpacked code. */
  readonly codeRoot: string;
  /** Where the run was started: `.venv` and secrets of `file:` are there. */
  readonly root: string;
  /** The worker's; secrets of `env:` are in it. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly signal?: AbortSignal;
  /** What the program prints, line by line, as it may be shown. */
  readonly onLog?: (line: string) => void;
  /** How long it has to end when the load is cancelled. @default 5000 */
  readonly graceMs?: number;
}

/**
 * Runs the code of a source for one resource and lands the rows it gives. Idempotent as `openLanding` says: another
 * attempt starts it again with the last checkpoint that landed.
 *
 * Terminal: `ELT_PROGRAM_ERROR`, `ELT_PROGRAM_PROTOCOL`, `ELT_CHILD_START`, `ELT_CHILD_LINE`, `ELT_SECRET_MISSING`, those
 * of `openLanding`. Transient until attempts come no further: `ELT_PROGRAM_RETRY`, `ELT_PROGRAM_ENDED`.
 */
export async function extractProgram(options: ProgramExtractOptions): Promise<LandedRows> {
  const { resource, codeRoot } = options;
  const origin = `${resource.path} ${resource.program!.function}`;
  const landing = await openLanding({ ...options, origin, settings: await settingsOf(resource, codeRoot) });
  if (landing.isComplete) return landing.complete();
  try {
    await run(options, landing);
  } catch (error) {
    if (!(error instanceof PipelineError) || !/^ELT_(PROGRAM|CHILD)_/.test(error.code)) throw error;
    // What came before the last checkpoint is there for the next attempt.
    throw pausedOrGivenUp(error, await landing.keep());
  }
  return landing.complete();
}

async function run(options: ProgramExtractOptions, landing: Landing): Promise<void> {
  const { resource, root, codeRoot, environment, signal, onLog, graceMs } = options;
  const program = resource.program!;
  const secrets = openSecrets(environment, root);
  const redact = (text: string): string => secrets.redact(text);
  const { env, config } = await resolveSecrets(program, secrets);
  const start =
    resource.type === 'python'
      ? pythonCommand({ script: resource.path, function: program.function, python: program.python }, root)
      : pluginCommand({ module: resource.path, function: program.function }, codeRoot);
  let rows = 0;
  let failure: ProgramError | undefined;
  let isDone = false;
  const take = (line: Buffer): void | Promise<void> => {
    if (isRow(line)) {
      rows++;
      return landing.addRow(line);
    }
    const message = readMessage(line);
    if (message.kind === 'error') failure = message.error;
    else if (message.kind === 'done') isDone = true;
    else if (message.kind === 'columns') landing.setColumns(message.columns);
    else return landing.addCheckpoint(message.checkpoint);
  };
  const result = await runChild({
    command: start.command,
    cwd: codeRoot,
    environment: childEnvironment(environment, withPaths(env, start.environment)),
    input: request(resource, config, landing.checkpoint),
    output: 3,
    onLine: take,
    redact,
    signal,
    ...(onLog && { onLog }),
    ...(graceMs !== undefined && { graceMs }),
  }).catch((error: unknown) => {
    throw startFailure(error, resource, start.next);
  });
  if (isDone && result.exitCode === 0) return;
  const context: ProgramContext = {
    runId: options.runId,
    resource: resource.id,
    file: resource.path,
    at: resource.at,
    rows,
    stderrTail: result.stderrTail,
    redact,
  };
  throw failure === undefined ? ended(result, context) : raised(failure, context);
}

/** What is declared, and what the program needs; a path of the user's own comes behind. */
function withPaths(
  declared: Readonly<Record<string, string>>,
  needed: Readonly<Record<string, string>>,
): Record<string, string> {
  const path = [needed['PYTHONPATH'], declared['PYTHONPATH']].filter((one) => one !== undefined).join(delimiter);
  return { ...declared, ...needed, ...(path !== '' && { PYTHONPATH: path }) };
}

/** Everything is given by standard input: parameters and environment can be read by others. A checkpoint keeps every digit. */
function request({ id, source }: ResourceConfig, config: object, checkpoint: string | undefined): string {
  const name = id === source ? source : id.slice(source.length + 1);
  const head = JSON.stringify({ resource: name, config });
  return `${head.slice(0, -1)},"state":${checkpoint ?? 'null'}}`;
}

/** Other code, another program or another configuration may give other rows. */
async function settingsOf({ type, path, program }: ResourceConfig, codeRoot: string): Promise<string> {
  const code = await codeDigest(codeRoot, type === 'python' ? '.py' : `/${pluginPath(path)}`);
  return createHash('sha256')
    .update(JSON.stringify([path, program, code]))
    .digest('hex')
    .slice(0, 16);
}

function startFailure(error: unknown, { id, at }: ResourceConfig, next: string): unknown {
  if (!(error instanceof TerminalError) || error.code !== 'ELT_CHILD_START') return error;
  return new TerminalError(error.code, `Reading ${id} failed: ${error.message}`, { at, details: error.details, next });
}
