import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readStackState, type PartName } from '../../src/config.js';
import { down } from '../../src/embedded/down.js';
import { systemHome } from '../../src/embedded/postgres-account.js';
import { identify, isAlive, type ProcessIdentity } from '../../src/embedded/processes/process-identity.js';
import { STACK_VARIABLE, stackMark } from '../../src/embedded/processes/stack-processes.js';
import type { StackStatus } from '../../src/embedded/stack-status.js';
import { up, type UpOptions } from '../../src/embedded/up.js';

const CLI = fileURLToPath(new URL('../fixtures/embedded/cli.mjs', import.meta.url));

export interface TestStack {
  readonly root: string;
  readonly stateDir: string;
  up(options?: Partial<UpOptions>, report?: (line: string) => void): Promise<StackStatus>;
  down(): ReturnType<typeof down>;
  process(name: PartName): Promise<ProcessIdentity>;
  supervisor(): Promise<ProcessIdentity>;
  /** Command lines of processes that belong to this stack, by folder and mark. */
  leftovers(): Promise<string[]>;
  remove(): Promise<void>;
}

/** A stack in a folder of its own, with stand-ins for worker and serving; needs `npm run build` to have run. */
export async function createTestStack(env: NodeJS.ProcessEnv = {}, parent = tmpdir()): Promise<TestStack> {
  if (!existsSync(fileURLToPath(new URL('../../dist/embedded/supervise.js', import.meta.url)))) {
    throw new Error('dist is missing: run `npm run build` first');
  }
  const root = await mkdtemp(join(parent, 'plumbline-stack-'));
  // mkdtemp makes a folder that only root can enter; then PostgreSQL's data would be elsewhere.
  await chmod(root, 0o755);
  const stateDir = join(root, '.plumbline');
  const { TEMPORAL_ADDRESS: _address, PLUMBLINE_DATABASE_URL: _url, ...inherited } = process.env;
  const allEnv = { ...inherited, ...env };
  const stack: TestStack = {
    root,
    stateDir,
    up: (options = {}, report = () => {}) => up({ root, env: allEnv, cli: CLI, ...options }, report),
    down: () => down({ root, env: allEnv }, () => {}),
    async process(name) {
      const found = (await readStackState(stateDir))?.parts[name]?.process;
      if (found === undefined) throw new Error(`${name} has no process`);
      return found;
    },
    async supervisor() {
      const found = (await readStackState(stateDir))?.supervisor;
      if (found === undefined) throw new Error('there is no supervisor');
      return found;
    },
    async leftovers() {
      const found: string[] = [];
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
        const text = await visibleText(Number(pid)).catch(() => '');
        const belongs = text.includes(root) || text.includes(`${STACK_VARIABLE}=${stackMark(root)}`);
        if (belongs && (await identify(Number(pid))) !== undefined) found.push(text.slice(0, 300));
      }
      return found;
    },
    async remove() {
      await stack.down();
      for (const folder of [root, systemHome(root)]) await rm(folder, { recursive: true, force: true });
    },
  };
  return stack;
}

/** Kills exactly this process with SIGKILL and waits until it is gone. */
export async function kill(target: ProcessIdentity): Promise<void> {
  process.kill(target.pid, 'SIGKILL');
  await until(async () => !(await isAlive(target)));
}

export async function until(check: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await check());) {
    if (Date.now() > deadline) throw new Error(`it did not become true in ${timeoutMs / 1000} s: ${check.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The command line and the environment of a process as other users of the machine might see them. */
export async function visibleText(pid: number): Promise<string> {
  const [line, environment] = await Promise.all(
    ['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'latin1')),
  );
  return `${line} ${environment}`;
}

export { identify, isAlive };
