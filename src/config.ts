import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { inspect } from 'node:util';
import type { ClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import { PipelineError, TerminalError } from './errors.js';

export const configErrorCodes = {
  CONFIG_STATE_INVALID:
    'A file of .plumbline is damaged: `plumbline down` removes state.json, and `up` writes it anew; for secrets.json, which holds the password of the database, restore it or run `plumbline up --reset`.',
  CONFIG_VALUE_INVALID: 'An environment variable has a value that plumbline cannot use; the message names both.',
} as const;

/** A value that every way of printing shows as `***`. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '***';
  }
  toJSON(): string {
    return '***';
  }
  [inspect.custom](): string {
    return '***';
  }
}

export interface Settings {
  /** The folder of the nearest plumbline.yaml upwards, else the folder the command was started in. */
  readonly root: string;
  /** `<root>/.plumbline` */
  readonly stateDir: string;
  readonly logsDir: string;
  /**
   * Where connections keep their session: PLUMBLINE_DATABASE_DIRECT_URL, else PLUMBLINE_DATABASE_URL, else that of the
   * embedded PostgreSQL; undefined where none exists.
   */
  readonly databaseUrl?: Secret;
  /** PLUMBLINE_DATABASE_URL where a direct one is named beside it: serving may go through a pooler. */
  readonly pooledDatabaseUrl?: Secret;
  /** True when the database is the one `plumbline up` starts. */
  readonly databaseEmbedded: boolean;
  /** PLUMBLINE_STORE: a folder, or s3://bucket/prefix. @default `<root>/.plumbline/store` */
  readonly store: string;
  /** PLUMBLINE_STORE_CACHE_GIB, in bytes: how much of a store on S3 may lie on this machine. @default 10 GiB */
  readonly storeCacheBytes: number;
  readonly temporal: TemporalSettings;
  readonly temporalUiUrl?: string;
  readonly serving: {
    readonly host: string;
    readonly port: number;
    readonly url: string;
    /** The stack of this folder serves there, or the environment says so; else it is a guess. */
    readonly isKnown: boolean;
  };
  /** PLUMBLINE_OPENLINEAGE_URL and …_KEY: who is told of runs; absent: nobody. */
  readonly openLineage?: { readonly url: Secret; readonly key?: Secret };
}

export interface TemporalSettings {
  /** `host:port` */
  readonly address: string;
  readonly namespace: string;
  /** For `Connection.connect` and `NativeConnection.connect`: address, TLS, API key, headers. */
  readonly connectionOptions: ClientConnectConfig['connectionOptions'];
  /** True when the server is the one `plumbline up` starts. */
  readonly embedded: boolean;
}

/** A process that cannot be mistaken for a later one with the same number. */
export const processIdentitySchema = z.object({ pid: z.number().int().positive(), started: z.string() });

const port = z.number().int().min(1).max(65_535);

/** `.plumbline/state.json`: what the supervisor started, where. Written by the supervisor, read by every command. */
export const stackStateSchema = z.object({
  version: z.literal(1),
  root: z.string(),
  supervisor: processIdentitySchema.optional(),
  ports: z.object({
    postgres: port.optional(),
    temporal: port.optional(),
    temporalUi: port.optional(),
    serving: port.optional(),
  }),
  namespace: z.string(),
  /** PostgreSQL's data folder, and why it is not under `.plumbline` when it is not. */
  postgres: z.object({ dataDir: z.string(), note: z.string().optional() }).optional(),
  /** The Temporal program in use and where it was found. */
  temporal: z.object({ path: z.string(), source: z.string() }).optional(),
  /** Why the supervisor gave up, for the command that started it. */
  failure: z.object({ code: z.string(), message: z.string(), next: z.string().optional() }).optional(),
  parts: z.partialRecord(
    z.enum(['postgres', 'temporal', 'worker', 'serving']),
    z.object({
      state: z.enum(['starting', 'running', 'restarting', 'stopped']),
      process: processIdentitySchema.optional(),
      restarts: z.number().int(),
      /** ISO time of the last change. */
      since: z.string(),
      message: z.string().optional(),
    }),
  ),
});
export type StackState = z.infer<typeof stackStateSchema>;
export type PartName = keyof StackState['parts'];

export const secretsSchema = z.object({ postgresPassword: z.string().min(16) });

export const DATABASE_NAME = 'plumbline';
export const DATABASE_USER = 'plumbline';
const DATABASE_URL_FORM = 'postgres://user:password@host:5432/database';

/**
 * Where everything is, for a command started in `cwd`: environment before `.plumbline/state.json` before defaults.
 * Reads no secret but the embedded database's. Throws `CONFIG_STATE_INVALID` or `CONFIG_VALUE_INVALID`; no retry helps.
 */
export async function loadSettings(options: {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Whether a damaged file counts as none, for the commands that repair it. @default false */
  readonly ignoreDamage?: boolean;
}): Promise<Settings> {
  const { env, ignoreDamage = false } = options;
  const root = await findRoot(options.cwd);
  const stateDir = join(root, '.plumbline');
  const orRefuse = (error: unknown): undefined => {
    if (ignoreDamage) return noneIfDamaged(error);
    throw error;
  };
  const state = await readStackState(stateDir).catch(orRefuse);
  const database = await databaseSettings(env, state, () => readPostgresPassword(stateDir).catch(orRefuse));
  const temporal = await temporalSettings(env, state);
  const temporalUiUrl =
    env['PLUMBLINE_TEMPORAL_UI_URL'] ||
    (temporal.embedded && state?.ports.temporalUi !== undefined
      ? `http://127.0.0.1:${state.ports.temporalUi}`
      : undefined);
  return {
    root,
    stateDir,
    logsDir: join(stateDir, 'logs'),
    ...database,
    store: storeOf(env, root, stateDir),
    storeCacheBytes: storeCacheBytesOf(env),
    temporal,
    ...(temporalUiUrl === undefined ? {} : { temporalUiUrl }),
    serving: servingSettings(env, state),
    ...openLineageSettings(env),
  };
}

/** The state file of a stack, undefined where there is none. Throws `CONFIG_STATE_INVALID`. */
export function readStackState(stateDir: string): Promise<StackState | undefined> {
  return readJson(join(stateDir, 'state.json'), stackStateSchema);
}

/** For what repairs a state or secrets file: a damaged one counts as none. Throws any other error again. */
export function noneIfDamaged(error: unknown): undefined {
  if (error instanceof PipelineError && error.code === 'CONFIG_STATE_INVALID') return undefined;
  throw error;
}

/** The embedded database's password, undefined before the first `up`. Throws `CONFIG_STATE_INVALID`. */
export async function readPostgresPassword(stateDir: string): Promise<Secret | undefined> {
  const secrets = await readJson(join(stateDir, 'secrets.json'), secretsSchema);
  return secrets === undefined ? undefined : new Secret(secrets.postgresPassword);
}

/** The address of a database in the embedded PostgreSQL. */
export function embeddedDatabaseUrl(postgresPort: number, password: Secret, database = DATABASE_NAME): Secret {
  return new Secret(`postgres://${DATABASE_USER}:${password.reveal()}@127.0.0.1:${postgresPort}/${database}`);
}

/** Whether the environment or a profile names a Temporal server, so that none is to be started. */
export async function namesTemporalServer(env: NodeJS.ProcessEnv): Promise<boolean> {
  return !(await temporalSettings(env, undefined)).embedded;
}

async function findRoot(cwd: string): Promise<string> {
  const start = resolve(cwd);
  for (let folder = start; ; folder = dirname(folder)) {
    if (await exists(join(folder, 'plumbline.yaml'))) return folder;
    if (folder === dirname(folder)) return start;
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function databaseSettings(
  env: NodeJS.ProcessEnv,
  state: StackState | undefined,
  readPassword: () => Promise<Secret | undefined>,
): Promise<Pick<Settings, 'databaseUrl' | 'pooledDatabaseUrl' | 'databaseEmbedded'>> {
  const direct = databaseUrlOf(env, 'PLUMBLINE_DATABASE_DIRECT_URL');
  const url = databaseUrlOf(env, 'PLUMBLINE_DATABASE_URL');
  if (direct !== undefined)
    return { databaseUrl: direct, ...(url === undefined ? {} : { pooledDatabaseUrl: url }), databaseEmbedded: false };
  if (url !== undefined) return { databaseUrl: url, databaseEmbedded: false };
  const password = state?.ports.postgres === undefined ? undefined : await readPassword();
  if (state?.ports.postgres === undefined || password === undefined) return { databaseEmbedded: true };
  return { databaseUrl: embeddedDatabaseUrl(state.ports.postgres, password), databaseEmbedded: true };
}

function databaseUrlOf(env: NodeJS.ProcessEnv, variable: string): Secret | undefined {
  const url = env[variable];
  if (url === undefined || url === '') return undefined;
  // The value may hold a password: it is not repeated.
  if (!/^postgres(ql)?:\/\//.test(url)) throw invalid(variable, 'a value of another form', DATABASE_URL_FORM);
  if (!isDatabaseUrl(url)) {
    throw invalid(
      variable,
      'an address that cannot be read',
      DATABASE_URL_FORM,
      'Percent-encode the password and the user in it: # is %23, / is %2F, ? is %3F, % is %25.',
    );
  }
  return new Secret(url);
}

/** Whether user, password, host and database can be told apart, as the driver does it. */
function isDatabaseUrl(text: string): boolean {
  // The driver takes a % that encodes nothing for itself, and leaves the host out for a socket named in `host=`.
  const url = (/%(?![\da-f]{2})/i.test(text) ? text.replaceAll('%', '%25') : text).replace('@/', '@localhost/');
  try {
    const { username, password, hostname, pathname, searchParams, hash } = new URL(url);
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part);
    // What ought to stand before the @ and does not was cut off by one of # / ?.
    return hash === '' && ![pathname, ...searchParams.keys()].some((part) => part.includes('@'));
  } catch {
    return false;
  }
}

function storeOf(env: NodeJS.ProcessEnv, root: string, stateDir: string): string {
  const named = env['PLUMBLINE_STORE'];
  if (named === undefined || named === '') return join(stateDir, 'store');
  if (/^s3:\/\/[a-z0-9][\w.-]{1,62}(\/[^?#]*)?$/i.test(named)) return named;
  // As a folder, another scheme would be one called `gs:`.
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(named))
    throw invalid('PLUMBLINE_STORE', JSON.stringify(named), 'a folder or s3://bucket/prefix');
  return isAbsolute(named) ? named : join(root, named);
}

function storeCacheBytesOf(env: NodeJS.ProcessEnv): number {
  const text = env['PLUMBLINE_STORE_CACHE_GIB'] || '10';
  const number = Number(text);
  if (number > 0 && Number.isFinite(number)) return Math.round(number * 1024 ** 3);
  throw invalid('PLUMBLINE_STORE_CACHE_GIB', JSON.stringify(text), 'a number of GiB above 0');
}

function openLineageSettings(env: NodeJS.ProcessEnv): Pick<Settings, 'openLineage'> {
  const url = env['PLUMBLINE_OPENLINEAGE_URL'];
  if (url === undefined || url === '') return {};
  // The value is not shown: it may hold a key.
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ''))
    throw invalid(
      'PLUMBLINE_OPENLINEAGE_URL',
      'a value of another form',
      'https://host or https://host/api/v1/lineage',
    );
  const key = env['PLUMBLINE_OPENLINEAGE_KEY'];
  return { openLineage: { url: new Secret(url), ...(key ? { key: new Secret(key) } : {}) } };
}

async function temporalSettings(env: NodeJS.ProcessEnv, state: StackState | undefined): Promise<TemporalSettings> {
  if (await mayNameTemporal(env)) {
    const { loadClientConnectConfig } = await import('@temporalio/envconfig');
    const set = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(set) });
    if (connectionOptions.address !== undefined) {
      return {
        address: connectionOptions.address,
        namespace: namespace ?? 'default',
        connectionOptions,
        embedded: false,
      };
    }
  }
  const address = `127.0.0.1:${state?.ports.temporal ?? 7233}`;
  const namespace = env['TEMPORAL_NAMESPACE'] || state?.namespace || 'default';
  return { address, namespace, connectionOptions: { address }, embedded: true };
}

/** Spares most commands the 40 ms of importing envconfig: without one of these there is nothing for it to find. */
async function mayNameTemporal(env: NodeJS.ProcessEnv): Promise<boolean> {
  if (env['TEMPORAL_ADDRESS'] || env['TEMPORAL_PROFILE'] || env['TEMPORAL_CONFIG_FILE']) return true;
  const home = env['HOME'] || homedir();
  const folders = [
    env['XDG_CONFIG_HOME'] || join(home, '.config'),
    ...(process.platform === 'darwin' ? [join(home, 'Library', 'Application Support')] : []),
  ];
  return (await Promise.all(folders.map((folder) => exists(join(folder, 'temporalio', 'temporal.toml'))))).some(
    Boolean,
  );
}

function servingSettings(env: NodeJS.ProcessEnv, state: StackState | undefined): Settings['serving'] {
  const host = env['PLUMBLINE_SERVING_HOST'] || '127.0.0.1';
  const named = servingPortOf(env) ?? state?.ports.serving;
  const number = named ?? 8400;
  const isKnown = named !== undefined || Boolean(env['PLUMBLINE_SERVING_URL']);
  return { host, port: number, isKnown, url: env['PLUMBLINE_SERVING_URL'] || `http://${host}:${number}` };
}

/** The port that PLUMBLINE_SERVING_PORT asks for, undefined when any will do. Throws `CONFIG_VALUE_INVALID`. */
export function servingPortOf(env: NodeJS.ProcessEnv): number | undefined {
  const text = env['PLUMBLINE_SERVING_PORT'];
  if (text === undefined || text === '') return undefined;
  const parsed = port.safeParse(Number(text));
  if (!parsed.success) throw invalid('PLUMBLINE_SERVING_PORT', JSON.stringify(text), 'a port from 1 to 65535');
  return parsed.data;
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause).replaceAll('\n', ' ') : 'it is not JSON';
    throw new TerminalError('CONFIG_STATE_INVALID', `Reading ${path} failed: ${reason}.`, {
      details: { path },
      next: path.endsWith('secrets.json')
        ? 'Restore the file, or delete the data it belongs to with `plumbline up --reset`.'
        : 'Run `plumbline down`, which stops the stack and removes the file, then `plumbline up`: the data stays.',
      cause,
    });
  }
}

function invalid(
  variable: string,
  received: string,
  expected: string,
  next = `Correct ${variable} or unset it.`,
): TerminalError {
  return new TerminalError('CONFIG_VALUE_INVALID', `Reading ${variable} gave ${received}, expected ${expected}.`, {
    details: { variable },
    next,
  });
}
