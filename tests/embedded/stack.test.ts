import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSettings, readStackState, type PartName } from '../../src/config.js';
import { stackStatus } from '../../src/embedded/stack-status.js';
import { createTestStack, identify, isAlive, kill, until, type TestStack, visibleText } from './stack.js';

const PARTS = ['postgres', 'temporal', 'worker', 'serving'] as const;
const settingsOf = ({ root }: TestStack) => loadSettings({ cwd: root, env: {} });

describe.sequential('a running stack', { timeout: 120_000 }, () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await createTestStack({ FIXTURE_WORKER: 'child' });
    await stack.up();
    await query(stack, 'CREATE TABLE kept AS SELECT 41 AS answer');
    await startWorkflow(stack, 'kept');
  }, 120_000);
  afterAll(() => stack.remove(), 120_000);

  it('two more `up` at once start nothing', async () => {
    const before = await readStackState(stack.stateDir);
    const [first, second] = await Promise.all([stack.up(), stack.up()]);
    expect(first).toEqual(second);
    expect(first.running).toBe(true);
    expect(await readStackState(stack.stateDir)).toEqual(before);
  });

  it('the database password is in no command line or environment, and its file is for the owner only', async () => {
    const { postgresPassword } = JSON.parse(await readFile(join(stack.stateDir, 'secrets.json'), 'utf8')) as {
      postgresPassword: string;
    };
    const processes = [await stack.supervisor(), ...(await Promise.all(PARTS.map((name) => stack.process(name))))];
    for (const { pid } of processes) expect(await visibleText(pid)).not.toContain(postgresPassword);
    expect((await stat(join(stack.stateDir, 'secrets.json'))).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(await settingsOf(stack))).not.toContain(postgresPassword);
  });

  it('PostgreSQL refuses a wrong password', async () => {
    const url = (await settingsOf(stack)).databaseUrl?.reveal().replace(/:[^:@]+@/, ':wrong@');
    const client = new pg.Client({ connectionString: url });
    await expect(client.connect()).rejects.toMatchObject({ code: '28P01' });
  });

  it.each(PARTS)('starts %s again when it is killed, and loses nothing', async (name) => {
    const killed = await stack.process(name);
    await kill(killed);
    await restarted(stack, name, killed.pid);
    expect(await query(stack, 'SELECT answer FROM kept')).toEqual([{ answer: 41 }]);
    expect(await workflowStatus(stack, 'kept')).toBe('RUNNING');
  });

  it('ends the children of a killed worker', async () => {
    const worker = await stack.process('worker');
    const child = await found(() => childOf(worker.pid));
    await kill(worker);
    await until(async () => (await identify(child)) === undefined);
    await restarted(stack, 'worker', worker.pid);
  });

  it('watches the same processes on after the supervisor was killed', async () => {
    const before = await Promise.all(PARTS.map((name) => stack.process(name)));
    await kill(await stack.supervisor());
    expect((await stackStatus({ root: stack.root, env: {} })).running).toBe(false);
    expect((await stack.up()).running).toBe(true);
    expect(await Promise.all(PARTS.map((name) => stack.process(name)))).toEqual(before);
  });

  it('starts on the same ports, with the same data, when everything was killed', async () => {
    const { ports } = (await readStackState(stack.stateDir))!;
    for (const each of [await stack.supervisor(), ...(await Promise.all(PARTS.map((name) => stack.process(name))))]) {
      await kill(each);
    }
    expect((await stack.up()).running).toBe(true);
    expect((await readStackState(stack.stateDir))!.ports).toEqual(ports);
    expect(await query(stack, 'SELECT answer FROM kept')).toEqual([{ answer: 41 }]);
    expect(await workflowStatus(stack, 'kept')).toBe('RUNNING');
  });

  it('a second project runs beside it on ports of its own', async () => {
    const other = await createTestStack();
    try {
      expect((await other.up()).running).toBe(true);
      const [own, others] = [await readStackState(stack.stateDir), await readStackState(other.stateDir)];
      const all = [...Object.values(own!.ports), ...Object.values(others!.ports)];
      expect(new Set(all).size).toBe(8);
      await expect(query(other, 'SELECT answer FROM kept')).rejects.toMatchObject({ code: '42P01' });
      await other.down();
      expect(await other.leftovers()).toEqual([]);
      expect((await stackStatus({ root: stack.root, env: {} })).running).toBe(true);
    } finally {
      await other.remove();
    }
  });

  it('`down` leaves no process, also when the supervisor and a worker were killed before', async () => {
    await kill(await stack.supervisor());
    await kill(await stack.process('worker'));
    expect(await stack.down()).toEqual({ stopped: true, data: [stack.stateDir] });
    expect(await stack.leftovers()).toEqual([]);
    expect(await stack.down()).toMatchObject({ stopped: false });
  });

  it('`up` adds the prediction server to a stack that was started without it', async () => {
    await stack.down();
    const status = await stack.up({ serving: false });
    expect(status.parts.map(({ name }) => name)).toEqual(['postgres', 'temporal', 'worker']);
    const others = ['postgres', 'temporal', 'worker'] as const;
    const before = await Promise.all(others.map((name) => stack.process(name)));
    expect((await stack.up()).running).toBe(true);
    expect(await isAlive(await stack.process('serving'))).toBe(true);
    expect(await Promise.all(others.map((name) => stack.process(name)))).toEqual(before);
    await stack.down();
    expect(await stack.leftovers()).toEqual([]);
  });

  it('does not touch processes that got the numbers of its own', async () => {
    const stranger = spawn('sleep', ['1000']);
    const file = join(stack.stateDir, 'state.json');
    const state = (await readStackState(stack.stateDir))!;
    const recorded = { pid: stranger.pid!, started: 'another boot:1' };
    const part = { state: 'running', process: recorded, restarts: 0, since: new Date().toISOString() };
    await writeFile(
      file,
      JSON.stringify({ ...state, supervisor: recorded, parts: { worker: part, temporal: part, serving: part } }),
    );
    const data = state.postgres!.dataDir;
    await writeFile(join(data, 'postmaster.pid'), `${stranger.pid}\n${data}\n1\n5433\n\n127.0.0.1\n1 1\nready\n`);
    try {
      expect((await stack.up()).running).toBe(true);
      expect(await query(stack, 'SELECT answer FROM kept')).toEqual([{ answer: 41 }]);
      await stack.down();
      expect(stranger.exitCode).toBeNull();
      expect(await isAlive((await identify(stranger.pid!))!)).toBe(true);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('`down` stops a stack whose state file is damaged, and the next `up` goes on with its data', async () => {
    await stack.up();
    await writeFile(join(stack.stateDir, 'state.json'), '{');
    await expect(stack.up()).rejects.toMatchObject({ code: 'CONFIG_STATE_INVALID' });
    expect(await stack.down()).toMatchObject({ stopped: true });
    expect(await stack.leftovers()).toEqual([]);
    expect((await stack.up()).running).toBe(true);
    expect(await query(stack, 'SELECT answer FROM kept')).toEqual([{ answer: 41 }]);
  });

  it('`up --reset` starts from nothing, also when its files are damaged', async () => {
    const before = await Promise.all(PARTS.map((name) => stack.process(name)));
    for (const name of ['state.json', 'secrets.json']) await writeFile(join(stack.stateDir, name), '{');
    const schema = join(stack.stateDir, 'plumbline.schema.json');
    await writeFile(schema, '{}');
    expect((await stack.up({ reset: true })).running).toBe(true);
    expect(existsSync(schema)).toBe(true);
    for (const process of before) expect(await isAlive(process)).toBe(false);
    await expect(query(stack, 'SELECT answer FROM kept')).rejects.toMatchObject({ code: '42P01' });
    await expect(workflowStatus(stack, 'kept')).rejects.toThrow(/not found/i);
  });
});

describe('two stacks that start at the same time', { timeout: 120_000 }, () => {
  it('get servers of their own, also when both want the same ports', async () => {
    const stacks = await Promise.all([createTestStack(), createTestStack()]);
    try {
      const ports = { postgres: 21_931, temporal: 21_932, temporalUi: 21_933, serving: 21_934 };
      for (const { root, stateDir } of stacks) {
        await mkdir(stateDir);
        const state = { version: 1, root, ports, namespace: 'default', parts: {} };
        await writeFile(join(stateDir, 'state.json'), JSON.stringify(state));
      }
      const statuses = await Promise.all(stacks.map((stack) => stack.up()));
      expect(statuses.map(({ running }) => running)).toEqual([true, true]);
      const states = await Promise.all(stacks.map(({ stateDir }) => readStackState(stateDir)));
      expect(new Set(states.flatMap((state) => Object.values(state!.ports))).size).toBe(8);
      for (const [index, stack] of stacks.entries()) {
        const serving = await fetch(statuses[index]!.servingUrl!);
        expect(await serving.json()).toMatchObject({ pid: (await stack.process('serving')).pid });
        const workflowId = `of-${stack.root}`;
        await startWorkflow(stack, workflowId);
        await expect(workflowStatus(stacks[1 - index]!, workflowId)).rejects.toThrow(/not found/i);
      }
    } finally {
      for (const stack of stacks) await stack.remove();
    }
  });
});

describe('a stack that cannot start', { timeout: 120_000 }, () => {
  it('names the part and its log, and leaves no process', async () => {
    const stack = await createTestStack({ FIXTURE_WORKER: 'fail' });
    try {
      const log = join(stack.stateDir, 'logs', 'worker.log');
      await expect(stack.up()).rejects.toMatchObject({
        code: 'EMBEDDED_START_FAILED',
        message: `Starting worker failed: it ends again and again (it ended with exit code 4). ${log} ends with: the worker was told to fail / the worker was told to fail / the worker was told to fail`,
        next: `Read ${log}, then run \`plumbline up\` again.`,
      });
      expect(await stack.leftovers()).toEqual([]);
    } finally {
      await stack.remove();
    }
  });

  it('refuses a serving port that was asked for and is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const stack = await createTestStack({ PLUMBLINE_SERVING_PORT: String(port) });
    try {
      await expect(stack.up()).rejects.toMatchObject({ code: 'EMBEDDED_PORT_TAKEN', details: { port } });
    } finally {
      other.close();
      await stack.remove();
    }
  });
});

describe.runIf(process.getuid?.() === 0)('a stack of root', { timeout: 120_000 }, () => {
  it('keeps PostgreSQL where its user can go when the project is out of reach, and says so', async () => {
    const { chmod, mkdtemp, rm } = await import('node:fs/promises');
    const closed = await mkdtemp('/tmp/plumbline-closed-');
    await chmod(closed, 0o700);
    const stack = await createTestStack({}, closed);
    try {
      const status = await stack.up();
      const data = (await readStackState(stack.stateDir))!.postgres!.dataDir;
      expect(data).toMatch(/^\/var\/lib\/plumbline\/[0-9a-f]{16}\/data$/);
      expect(status.notes[0]).toContain(data.replace(/\/data$/, ''));
      await query(stack, 'CREATE TABLE kept AS SELECT 41 AS answer');
      const reported: string[] = [];
      await stack.up({ reset: true }, (line) => reported.push(line));
      const home = join(data, '..');
      expect(reported).toContain(`all data of the stack is deleted: ${stack.stateDir} and ${home}`);
      await expect(query(stack, 'SELECT answer FROM kept')).rejects.toMatchObject({ code: '42P01' });
      expect((await stack.down()).data).toEqual([stack.stateDir, home]);
      expect(await stack.leftovers()).toEqual([]);
      await stack.remove();
      expect(existsSync(home)).toBe(false);
    } finally {
      await stack.remove();
      await rm(closed, { recursive: true });
    }
  });
});

async function query(stack: TestStack, sql: string): Promise<unknown[]> {
  const url = (await settingsOf(stack)).databaseUrl!.reveal();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function withClient<T>(stack: TestStack, work: (client: Client) => Promise<T>): Promise<T> {
  const { address } = (await settingsOf(stack)).temporal;
  const connection = await Connection.connect({ address });
  try {
    return await work(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

function startWorkflow(stack: TestStack, workflowId: string): Promise<unknown> {
  return withClient(stack, (client) => client.workflow.start('any', { workflowId, taskQueue: 'nobody' }));
}

function workflowStatus(stack: TestStack, workflowId: string): Promise<string> {
  return withClient(stack, async (client) => (await client.workflow.getHandle(workflowId).describe()).status.name);
}

function restarted(stack: TestStack, name: PartName, killed: number): Promise<void> {
  return until(async () => {
    const part = (await readStackState(stack.stateDir))?.parts[name];
    return part?.state === 'running' && part.process?.pid !== killed;
  });
}

async function childOf(parent: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8').catch(() => '');
  return children.trim() === '' ? undefined : Number(children.trim().split(' ')[0]);
}

async function found<T>(look: () => Promise<T | undefined>): Promise<T> {
  let value: T | undefined;
  await until(async () => (value = await look()) !== undefined);
  return value!;
}
