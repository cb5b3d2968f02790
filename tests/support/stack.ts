import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import {
  embeddedDatabaseUrl,
  readPostgresPassword,
  readStackState,
  type PartName,
  type StackState,
} from '../../src/config.js';
import { isFree } from '../../src/embedded/free-port.js';
import { systemHome } from '../../src/embedded/postgres-account.js';
import { STACK_VARIABLE, stackMark } from '../../src/embedded/processes/stack-processes.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The folder whose dist is tested; mutation tests name a changed copy. */
export const INSTALLATION = process.env['PLUMBLINE_TEST_INSTALLATION'] ?? ROOT;
export const CLI = join(INSTALLATION, 'dist', 'cli', 'main.js');
export const BIKE_DEMAND = join(ROOT, 'examples', 'bike-demand');

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestStack {
  readonly root: string;
  /** Runs `plumbline …` in the project; Ctrl-C is pressed when `interrupt` resolves. */
  plumbline(
    args: readonly string[],
    options?: { env?: NodeJS.ProcessEnv; timeoutMs?: number; interrupt?: Promise<unknown> },
  ): Promise<CommandResult>;
  json<T>(args: readonly string[]): Promise<T>;
  state(): Promise<StackState>;
  pid(part: PartName): Promise<number>;
  query<R>(sql: string, parameters?: unknown[]): Promise<R[]>;
  /** Another process of the stack: `plumbline …` that is not waited for. It dies with the stack, and writes to logs/started.log. */
  start(args: readonly string[], options?: { env?: NodeJS.ProcessEnv }): ChildProcess;
  /** Command lines of living processes that belong to the stack. */
  processes(): Promise<string[]>;
  /** `plumbline down` and the folder gone. */
  destroy(): Promise<void>;
}

/** A copy of a project in a folder of its own, with its own embedded stack (not started). */
export async function createStack(template = BIKE_DEMAND): Promise<TestStack> {
  const root = await mkdtemp(join(tmpdir(), 'plumbline-project-'));
  await cp(template, root, { recursive: true, filter: (path) => !path.includes('.plumbline') });
  await mkdir(join(root, '.plumbline'));
  const state = { version: 1, root, ports: await unusualPorts(), namespace: 'default', parts: {} };
  await writeFile(join(root, '.plumbline', 'state.json'), JSON.stringify(state));
  return stackIn(root);
}

/**
 * Ports as if the stack had run before: with the usual ones, another stack that starts while a killed part is down could
 * take its port. Below the range from which the system takes ports for outgoing connections.
 */
async function unusualPorts(): Promise<Record<string, number>> {
  const ports = new Set<number>();
  while (ports.size < 4) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) ports.add(port);
  }
  const [postgres, temporal, temporalUi, serving] = ports;
  return { postgres: postgres!, temporal: temporal!, temporalUi: temporalUi!, serving: serving! };
}

export function stackIn(root: string): TestStack {
  // Kept from one poll to the next: logging in costs both sides more than the query. One that broke is replaced.
  let pool: { readonly url: string; readonly connections: pg.Pool } | undefined;
  const database = async (): Promise<pg.Pool> => {
    const { ports } = await stack.state();
    const password = await readPostgresPassword(join(root, '.plumbline'));
    const url = embeddedDatabaseUrl(ports.postgres!, password!).reveal();
    if (pool?.url === url) return pool.connections;
    const former = pool;
    const connections = new pg.Pool({ connectionString: url, max: 4, allowExitOnIdle: true }).on('error', () => {});
    pool = { url, connections };
    await former?.connections.end();
    return connections;
  };
  const stack: TestStack = {
    root,
    plumbline: (args, options = {}) =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [CLI, ...args], {
          cwd: root,
          env: { ...cleanEnvironment(), ...options.env },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        let stdout = '';
        let stderr = '';
        child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
        child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
        void options.interrupt?.then(() => child.kill('SIGINT'));
        const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 120_000);
        child.once('error', reject);
        child.once('close', (code) => {
          clearTimeout(timer);
          resolve({ code, stdout, stderr });
        });
      }),
    async json<T>(args: readonly string[]) {
      const { code, stdout, stderr } = await stack.plumbline([...args, '--json']);
      if (code !== 0) throw new Error(`plumbline ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`);
      return JSON.parse(stdout) as T;
    },
    async state() {
      const state = await readStackState(join(root, '.plumbline'));
      if (state === undefined) throw new Error(`no stack state in ${root}`);
      return state;
    },
    async pid(part) {
      const pid = (await stack.state()).parts[part]?.process?.pid;
      if (pid === undefined) throw new Error(`part ${part} has no process`);
      return pid;
    },
    async query<R>(sql: string, parameters: unknown[] = []) {
      return (await (await database()).query(sql, parameters)).rows as R[];
    },
    start(args, options = {}) {
      const log = openSync(join(root, '.plumbline', 'logs', 'started.log'), 'a');
      const child = spawn(process.execPath, [CLI, ...args], {
        cwd: root,
        env: { ...cleanEnvironment(), [STACK_VARIABLE]: stackMark(root), ...options.env },
        stdio: ['ignore', log, log],
      });
      closeSync(log);
      return child;
    },
    async processes() {
      const found: string[] = [];
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const read = (name: string) => readFile(join('/proc', pid, name), 'latin1').catch(() => '');
        const [environment, command] = [await read('environ'), (await read('cmdline')).replaceAll('\0', ' ')];
        // PostgreSQL's processes overwrite their environment, but name the data folder's project.
        if (environment.includes(`${STACK_VARIABLE}=${stackMark(root)}`) || command.includes(root))
          found.push(`${pid} ${command}`);
      }
      return found;
    },
    async destroy() {
      await pool?.connections.end();
      pool = undefined;
      spawnSync(process.execPath, [CLI, 'down'], { cwd: root, env: cleanEnvironment(), stdio: 'ignore' });
      if (process.env['PLUMBLINE_TEST_KEEP'] !== undefined) return console.log(`kept ${root}`);
      // Root's database lies outside the project.
      for (const folder of [root, systemHome(root)]) await rm(folder, { recursive: true, force: true });
    },
  };
  return stack;
}

/** Without what the surroundings may say about another stack. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(TEMPORAL_(?!CLI_PATH)|PLUMBLINE_|VITEST|NODE_OPTIONS)/.test(name),
    ),
  );
}

/** Log files of a stack, for a failed test's message. */
export async function logTail(stack: TestStack, part: string, lines = 30): Promise<string> {
  const text = await readFile(join(stack.root, '.plumbline', 'logs', `${part}.log`), 'utf8').catch(() => '');
  return text.split('\n').slice(-lines).join('\n');
}

/** Polls until `check` gives a value; throws after `timeoutMs` with what it was waiting for. */
export async function waitFor<T>(what: string, check: () => Promise<T | undefined>, timeoutMs = 30_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    const value = await check().catch((error: unknown) => void (last = error));
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A seeded generator (mulberry32); the seed is printed so that a failure can be repeated. */
export function seededRandom(name: string): () => number {
  const seed = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${name}: seed ${seed} (PLUMBLINE_TEST_SEED=${seed} repeats it)`);
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
