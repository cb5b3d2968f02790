import { spawn, type ChildProcess } from 'node:child_process';
import { createServer as createTcpServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createServingSite, eventually, type ServingSite } from './start-server.js';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const running: ChildProcess[] = [];
let site: ServingSite;
beforeAll(async () => (site = await createServingSite()));
afterEach(() => running.splice(0).forEach((child) => child.kill('SIGKILL')));
afterAll(() => site.end());

interface Command {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

/** `plumbline serve …` as a process in the example's folder. */
function serve(words: readonly string[], settings: Record<string, string> = {}): Command {
  const child = spawn(
    process.execPath,
    [
      '--import',
      path('../setup/typescript-loader.mjs'),
      path('../../src/cli/main.ts'),
      'serve',
      '--spool',
      site.spoolDir,
      ...words,
    ],
    {
      cwd: path('../../examples/bike-demand'),
      env: { ...process.env, PLUMBLINE_DATABASE_URL: site.test.url, PLUMBLINE_STORE: site.storeDir, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  running.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
  return { child, output: () => output, ended: new Promise((resolve) => child.once('exit', resolve)) };
}

async function urlOf({ output, child }: Command): Promise<string> {
  const text = await eventually(output, (seen) => seen.includes('"msg":"serving"') || child.exitCode !== null);
  const line = text.split('\n').find((entry) => entry.includes('"msg":"serving"'));
  if (line === undefined) throw new Error(text);
  return (JSON.parse(line) as { url: string }).url;
}

describe('plumbline serve', () => {
  it('serves the project of the folder, without a model at first, and ends with 0 on SIGTERM', async () => {
    const command = serve(['--port', '0']);
    const url = await urlOf(command);
    expect(new URL(url).hostname).toBe('127.0.0.1');
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
    await site.deploy('demand-v1.onnx', { project: 'bike-demand' });
    const row = { temperature: 1, season: 'summer' };
    const answered = await eventually(
      () => site.post(`${url}/models/demand/predict`, row),
      ({ status }) => status === 200,
    );
    expect(answered.body).toMatchObject({ predictions: [115] });
    command.child.kill('SIGTERM');
    expect(await command.ended).toBe(0);
    const rows = await site.test.database.query('SELECT project FROM plumbline.predictions');
    expect(rows).toEqual([{ project: 'bike-demand' }]);
  });

  it('refuses a host beyond loopback without keys, and takes keys from the environment', async () => {
    const refused = serve(['--port', '0', '--host', '0.0.0.0']);
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toContain('SERVE_HOST_WITHOUT_KEYS');
    const url = await urlOf(serve(['--port', '0', '--host', '0.0.0.0'], { PLUMBLINE_SERVE_KEYS: 'one, two' }));
    const local = url.replace('0.0.0.0', '127.0.0.1');
    expect((await fetch(`${local}/models`)).status).toBe(401);
    expect((await fetch(`${local}/models`, { headers: { authorization: 'Bearer two' } })).status).toBe(200);
  });

  it('names the port that is taken and ends with 1', async () => {
    const other = createTcpServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const command = serve(['--port', String(port)]);
    expect(await command.ended).toBe(1);
    expect(command.output()).toContain(`127.0.0.1:${port}`);
    expect(command.output()).toContain('SERVE_PORT_TAKEN');
    await new Promise((resolve) => other.close(resolve));
  });

  it.each([
    ['--port', 'many'],
    ['--log', 'never'],
  ])('ends with 2 for %s %s', async (option, value) => {
    const command = serve([option, value]);
    expect(await command.ended).toBe(2);
    expect(command.output()).toContain(option);
  });
});
