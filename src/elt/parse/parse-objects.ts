import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TerminalError } from '../../errors.js';
import { hideParameters } from '../../hide-parameters.js';
import { isBuilt, pluginPath } from '../../model/plugin-path.js';
import type { ResourceConfig } from '../../model/project.js';
import { childEnvironment } from '../child/child-environment.js';
import { runChild } from '../child/run-child.js';
import type { ParserJob, ParserOutcome } from './parser-job.js';

export interface ParseOptions {
  /** The project's code, unpacked. */
  readonly code: string;
  readonly resource: Pick<ResourceConfig, 'id' | 'parse'>;
  /** The load's object, for messages. */
  readonly file: string;
  readonly jobs: readonly ParserJob[];
  /** Gets the rows. */
  readonly rowsFile: string;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly signal?: AbortSignal | undefined;
  /** Takes what the parser prints, line by line, as it may be shown. */
  readonly onLog?: ((line: string) => void) | undefined;
  /** How long one object may take. @default 600000 */
  readonly timeoutMs?: number;
}

export interface ParsedObjects {
  /** Line of the file of rows (from 1) → the object that its parser refused, and why, without parameters of addresses. */
  readonly refused: ReadonlyMap<number, { readonly name: string; readonly reason: string }>;
}

/**
 * Runs a resource's parser over raw objects, in a process that sees no secret, and leaves their rows as NDJSON in `rowsFile`. An object that the parser
 * throws for leaves no row but one line, to be quarantined.
 *
 * Terminal: `ELT_PARSER_FAILED` (the process ended too early: the module cannot be loaded, memory), `ELT_PARSER_STUCK`, `ELT_CHILD_…`.
 */
export async function parseObjects(options: ParseOptions): Promise<ParsedObjects> {
  const { code, resource, jobs, rowsFile, signal, onLog, timeoutMs = 600_000 } = options;
  const { file } = resource.parse!;
  const refused = new Map<number, { name: string; reason: string }>();
  const stuck = new AbortController();
  const newTimer = (): NodeJS.Timeout =>
    setTimeout(() => stuck.abort(stuckError(options, jobs[done]?.name, timeoutMs)), timeoutMs);
  let done = 0;
  let line = 0;
  let timer = newTimer();
  try {
    const {
      exitCode,
      signal: killedBy,
      stderrTail,
    } = await runChild({
      command: [process.execPath, '--enable-source-maps', parserProcess(), join(code, isBuilt(file) ? pluginPath(file) : file), rowsFile], // prettier-ignore
      cwd: code,
      environment: childEnvironment(options.environment, {}),
      input: jobs.map((job) => `${JSON.stringify(job)}\n`).join(''),
      // What the parser prints goes to standard error.
      output: 3,
      onLine(text) {
        const outcome = JSON.parse(text.toString('utf8')) as ParserOutcome;
        if ('refused' in outcome)
          refused.set(++line, { name: jobs[done]!.name, reason: hideParameters(outcome.refused) });
        else line += outcome.rows;
        done++;
        clearTimeout(timer);
        timer = newTimer();
      },
      // It knows whole addresses.
      ...(onLog && { onLog: (line) => onLog(hideParameters(line)) }),
      signal: AbortSignal.any([stuck.signal, ...(signal === undefined ? [] : [signal])]),
    });
    if (exitCode === 0 && done === jobs.length) return { refused };
    throw failed(options, jobs[done]?.name, killedBy ?? `code ${exitCode}`, stderrTail);
  } finally {
    clearTimeout(timer);
  }
}

/** The compiled program: beside this file, or in dist when this file runs as TypeScript. */
function parserProcess(): string {
  const place = import.meta.url.endsWith('.ts') ? '../../../dist/elt/parse/parser-process.js' : './parser-process.js';
  return fileURLToPath(new URL(place, import.meta.url));
}

function failed(
  { resource }: ParseOptions,
  object: string | undefined,
  how: string,
  stderrTail: readonly string[],
): TerminalError {
  const { file } = resource.parse!;
  const said = stderrTail.filter((text) => text.trim() !== '');
  // Node prints the error between the place and the stack.
  const reason = said.find((text) => /^\w*(Error|Exception)\b/.test(text)) ?? said.at(-1) ?? 'it said nothing';
  return new TerminalError(
    'ELT_PARSER_FAILED',
    `The parser ${file} of ${resource.id} ended with ${how}${object === undefined ? '' : ` at ${object}`}: ${reason}`,
    {
      at: { file },
      details: { resource: resource.id, ...(object !== undefined && { object }), stderr: said.slice(-10) },
      next: 'Correct the module. The objects are landed: the next run parses them without fetching.',
    },
  );
}

function stuckError({ resource }: ParseOptions, object: string | undefined, timeoutMs: number): TerminalError {
  const { file } = resource.parse!;
  return new TerminalError(
    'ELT_PARSER_STUCK',
    `The parser ${file} of ${resource.id} was ended: it took longer than ${timeoutMs / 1000} s for ${object ?? 'an object'}.`,
    { at: { file }, next: 'Correct the module. The objects are landed: the next run parses them without fetching.' },
  );
}
