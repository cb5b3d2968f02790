import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { TerminalError, TransientError, type PipelineError } from '../../errors.js';
import type { ArtifactStore } from '../../model/artifact.js';
import type { Database } from '../../model/database.js';
import type { Json, JsonObject, ResourceConfig, SingerConfig } from '../../model/project.js';
import { childEnvironment } from '../child/child-environment.js';
import { runChild, type ChildResult } from '../child/run-child.js';
import { openSecrets, type Secrets } from '../http/secrets.js';
import type { ExtractedObject } from '../load/load-result.js';
import { resolveSecrets } from '../program/resolve-secrets.js';
import { withPrivateFolder, type PrivateFolder } from '../singer/private-files.js';
import { assertSelection, isChosen, SelectionFault } from '../singer/property-selection.js';
import { selectStream, UnknownStream, type SelectedStream } from '../singer/select-stream.js';
import { openLanding, type Landing, type LandingProgress } from './land-rows.js';
import { landMessages, type MessageLanding } from './land-messages.js';

export interface SingerExtractOptions {
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly env: string;
  readonly project: string;
  /** Where the run was started: the tap runs there; programs with a slash in their name and secrets of `file:` start there. */
  readonly root: string;
  /** The folder of the unpacked code: the catalog is there, and the tap runs there where the worker does not have `root`. */
  readonly codeRoot: string;
  readonly resource: ResourceConfig;
  /** The worker's: secrets of `env:` are there, and what a tap needs to run at all. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  /** For files that the tap reads; those of a killed process go with it. */
  readonly scratch: string;
  readonly runId: string;
  /** From 1. */
  readonly attempt: number;
  /** Asks anew, whatever another run has landed. @default false */
  readonly force?: boolean;
  /** Asks without a state; the one that is there stays until the rows are published. @default false */
  readonly full?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: LandingProgress) => void;
  /** Takes what the tap logs, line by line, without secrets. */
  readonly onLog?: (line: string) => void;
}

export interface SingerExtract {
  readonly extractId: string;
  readonly objects: readonly ExtractedObject[];
}

/**
 * Runs a Singer tap for one stream and puts its messages into the landing zone as they are written, each page behind the schema in
 * force. A killed attempt goes on behind the last STATE that has landed; the newest one becomes the resource's with the publication of the rows.
 *
 * Terminal: `ELT_SINGER_…`, `ELT_CHILD_…`, `ELT_SECRET_MISSING`. Transient, a retry goes on: `ELT_LOAD_FENCED`, and for
 * some attempts `ELT_SINGER_FAILED` and `ELT_SINGER_ENDED` (the tap was killed).
 */
export async function extractSinger(options: SingerExtractOptions): Promise<SingerExtract> {
  const { resource, codeRoot, full = false } = options;
  const config = resource.singer!;
  const ownCatalog = await readCatalog(resource, codeRoot);
  const landing = await openLanding({
    ...options,
    // What a stream without a key may repeat is the tap's to say; nobody asks it to end with a STATE.
    resource: { ...resource, write: resource.write === 'replace' ? 'replace' : 'merge' },
    origin: `${basename(config.command[0]!)} ${resource.path}`,
    settings: digest(resource, ownCatalog),
    maxCheckpointBytes: MAX_STATE_BYTES,
  });
  const notices = landing.isComplete ? [] : await runTap(options, landing, ownCatalog);
  const { extractId, objects } = await landing.complete({ withHead: full || resource.write === 'replace' });
  const [first, ...rest] = objects;
  return {
    extractId,
    objects: first === undefined || notices.length === 0 ? objects : [{ ...first, notices }, ...rest],
  };
}

/** A state may have a bookmark for each of some thousand partitions. */
const MAX_STATE_BYTES = 16 << 20;

interface Tap {
  readonly options: SingerExtractOptions;
  readonly secrets: Secrets;
  readonly folder: PrivateFolder;
  readonly environment: Readonly<Record<string, string>>;
  readonly configPath: string;
}

async function runTap(
  options: SingerExtractOptions,
  landing: Landing,
  ownCatalog: string | undefined,
): Promise<string[]> {
  const { resource, root, scratch } = options;
  const secrets = openSecrets(options.environment, root);
  return withPrivateFolder(scratch, async (folder) => {
    const given = resource.singer!;
    const batches = isObject(given.config['batch_config']) ? await folder.folder('batches') : undefined;
    // A root such as file:///tmp is no secret.
    const { config, env } = await resolveSecrets({ ...given, config: withBatchRoot(given.config, '') }, secrets);
    const configPath = await folder.write('config.json', JSON.stringify(withBatchRoot(config, `file://${batches}`)));
    const environment = childEnvironment(options.environment, env);
    const tap: Tap = { options, secrets, folder, environment, configPath };
    const selected = await selectedStream(tap, ownCatalog);
    const parameters = ['--config', configPath];
    if (selected !== undefined) parameters.push('--catalog', await folder.write('catalog.json', selected.catalog));
    if (landing.checkpoint !== undefined)
      parameters.push('--state', await folder.write('state.json', landing.checkpoint));
    const messages = landMessages({
      resource,
      names: selected?.names ?? [resource.path],
      tap: resource.singer!.command[0]!,
      landing,
      batches,
      ...propertiesKept(resource, selected),
      redact: (text) => secrets.redact(text),
    });
    const ended = await run(tap, parameters, messages.take);
    if (ended.exitCode !== 0) {
      await landing.keep();
      throw tapFailed(tap, 'running', ended, messages.hasAdvanced());
    }
    return messages.end();
  });
}

/** A tap that sends files writes them where they may be read, whatever its config says. */
function withBatchRoot(config: JsonObject, root: string): JsonObject {
  const given = config['batch_config'];
  if (!isObject(given)) return config;
  const { encoding = { format: 'jsonl', compression: 'gzip' }, storage } = given;
  return { ...config, batch_config: { ...given, encoding, storage: { ...(isObject(storage) && storage), root } } };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is asked for with `select`, also of a tap that heeds no catalog. */
function propertiesKept(
  resource: ResourceConfig,
  selected: SelectedStream | undefined,
): Pick<MessageLanding, 'isKept' | 'onProperties'> {
  const { select } = resource.singer!;
  if (select === undefined) return {};
  const always = selected?.always ?? neededProperties(resource);
  return {
    isKept: (name) => always.includes(name) || isChosen(name, select),
    onProperties(properties, keys) {
      // What a catalog has was compared with it before the tap was run.
      if (selected === undefined) orRefused(resource, () => assertSelection(select, properties, [...always, ...keys]));
    },
  };
}

/** What a load cannot do without. */
function neededProperties({ primaryKey, merge }: ResourceConfig): string[] {
  return [...primaryKey, ...(merge?.key ?? []), merge?.hardDelete ?? []].flat();
}

/** Throws `ELT_SINGER_SELECT` (terminal) for a SelectionFault. */
function orRefused<T>({ id, at }: ResourceConfig, choose: () => T): T {
  try {
    return choose();
  } catch (error) {
    if (!(error instanceof SelectionFault)) throw error;
    throw new TerminalError('ELT_SINGER_SELECT', `Choosing the properties of ${id} failed: ${error.message}.`, {
      at,
      next: 'Correct `select`.',
    });
  }
}

function run(
  tap: Tap,
  parameters: readonly string[],
  onLine: (line: Buffer) => void | Promise<void>,
): Promise<ChildResult> {
  const { options, secrets, environment } = tap;
  const [program, ...own] = options.resource.singer!.command as [string, ...string[]];
  return runChild({
    command: [program.includes('/') ? resolve(options.root, program) : program, ...own, ...parameters],
    cwd: existsSync(options.root) ? options.root : options.codeRoot,
    environment,
    onLine,
    redact: (text) => secrets.redact(text),
    signal: options.signal,
    ...(options.onLog && { onLog: options.onLog }),
  });
}

async function readCatalog({ singer, id, at }: ResourceConfig, codeRoot: string): Promise<string | undefined> {
  const { catalog }: SingerConfig = singer!;
  if (catalog.from !== 'file') return undefined;
  return readFile(resolve(codeRoot, catalog.path), 'utf8').catch((error: unknown) => {
    throw new TerminalError('ELT_SINGER_CATALOG', `Reading the catalog ${catalog.path} of ${id} failed: ${(error as Error).message}.`, {
      at,
      next: 'Correct `catalog`, or write the file with the tap’s --discover.',
      cause: error,
    }); // prettier-ignore
  });
}

/** The catalog for the tap; undefined for one that takes none. */
async function selectedStream(tap: Tap, ownCatalog: string | undefined): Promise<SelectedStream | undefined> {
  const { resource } = tap.options;
  const { catalog, metadata, select } = resource.singer!;
  if (catalog.from === 'none') return undefined;
  const source = ownCatalog ?? (await discover(tap));
  try {
    const needed = neededProperties(resource);
    const options = { metadata, allProperties: ownCatalog === undefined, select, needed };
    return orRefused(resource, () => selectStream(source, resource.path, options));
  } catch (error) {
    if (error instanceof UnknownStream) throw unknownStream(resource, error.streams);
    if (!(error instanceof SyntaxError)) throw error;
    const from = catalog.from === 'file' ? catalog.path : `what ${resource.singer!.command[0]} says with --discover`;
    throw new TerminalError('ELT_SINGER_CATALOG', `Reading the catalog of ${resource.id} failed: ${from} is none: ${error.message}.`, {
      at: resource.at,
      next: 'Set `discover: false` for a tap that takes no catalog, or name a file with `catalog`.',
      cause: error,
    }); // prettier-ignore
  }
}

/** A catalog of some thousand tables is large, but not that large. */
const MAX_CATALOG_BYTES = 256 << 20;

async function discover(tap: Tap): Promise<string> {
  const lines: Buffer[] = [];
  let bytes = 0;
  const ended = await run(tap, ['--config', tap.configPath, '--discover'], (line) => {
    bytes += line.length + 1;
    if (bytes > MAX_CATALOG_BYTES) throw longCatalog(tap.options.resource);
    lines.push(Buffer.from(line));
  });
  if (ended.exitCode !== 0) throw tapFailed(tap, 'asking for the catalog of', ended, false);
  return lines.map((line) => line.toString('utf8')).join('\n');
}

function longCatalog({ id, at, singer }: ResourceConfig): TerminalError {
  return new TerminalError(
    'ELT_SINGER_CATALOG',
    `Reading the catalog of ${id} failed: what ${singer!.command[0]} says with --discover is longer than ${MAX_CATALOG_BYTES >> 20} MiB.`,
    { at, next: 'Name a smaller one, in a file, with `catalog`.' },
  );
}

/** A state may hold the time of asking, so a tap that seems to come further may stand still: that ends, too. */
const MAX_ATTEMPTS = { here: 3, further: 10 };
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

function tapFailed(
  { options }: Tap,
  doing: string,
  { exitCode, signal, stderrTail }: ChildResult,
  hasAdvanced: boolean,
): PipelineError {
  const { resource, attempt } = options;
  const { id, at, singer } = resource;
  const how = exitCode === null ? `it was ended by ${signal ?? 'a signal'}` : `it ended with code ${exitCode}`;
  const words = stderrTail.filter((line) => line.trim() !== '').slice(-5);
  const said = words.length === 0 ? ' and said nothing' : `. It said: ${words.join(' | ')}`;
  const message = `Loading ${id} failed while ${doing} ${singer!.command[0]}: ${how}${said}.`;
  const code = exitCode === null ? 'ELT_SINGER_ENDED' : 'ELT_SINGER_FAILED';
  const details = { exitCode, signal, log: stderrTail };
  if (attempt >= (hasAdvanced ? MAX_ATTEMPTS.further : MAX_ATTEMPTS.here))
    return new TerminalError(code, `${message} It was tried ${attempt} times.`, {
      at,
      details,
      next: 'Correct `config`. What came before the last STATE is kept for six hours.',
    });
  return new TransientError(code, message, {
    at,
    details: { ...details, retryAfterMs: Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)) },
    next: 'Nothing: the step is tried again, behind the last STATE.',
  });
}

function unknownStream({ id, at, path }: ResourceConfig, streams: readonly string[]): TerminalError {
  const shown = streams.slice(0, 20).join(', ');
  const found =
    streams.length === 0 ? 'has no streams' : `has ${shown}${streams.length > 20 ? `, … (${streams.length})` : ''}`;
  return new TerminalError('ELT_SINGER_STREAM', `Loading ${id} failed: the catalog ${found}; expected one ${JSON.stringify(path)}.`, {
    at,
    details: { stream: path },
    next: 'Correct `stream`; where several have one name, write the tap_stream_id.',
  }); // prettier-ignore
}

/** Changes when the same state could lead to other rows. Secrets are in it by name only. */
function digest({ path, singer }: ResourceConfig, catalog: string | undefined): string {
  const { writeByKey: _write, ...asked } = singer!;
  return createHash('sha256')
    .update(JSON.stringify([path, asked, catalog]))
    .digest('hex')
    .slice(0, 16);
}
