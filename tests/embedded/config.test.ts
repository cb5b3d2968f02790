import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadSettings, Secret } from '../../src/config.js';
import type { TerminalError } from '../../src/errors.js';

let root: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-config-'));
  env = { HOME: root };
});
afterEach(() => rm(root, { recursive: true }));

async function writeState(state: object, secrets?: object): Promise<void> {
  await mkdir(join(root, '.plumbline'), { recursive: true });
  await writeFile(join(root, '.plumbline', 'state.json'), JSON.stringify(state));
  if (secrets !== undefined) await writeFile(join(root, '.plumbline', 'secrets.json'), JSON.stringify(secrets));
}

const STATE = {
  version: 1,
  root: '/anywhere',
  ports: { postgres: 5433, temporal: 7299, temporalUi: 8299, serving: 8499 },
  namespace: 'default',
  parts: {},
};

it('the root is the folder of the nearest plumbline.yaml upwards, else the folder itself', async () => {
  const below = join(root, 'a', 'b');
  await mkdir(below, { recursive: true });
  expect((await loadSettings({ cwd: below, env })).root).toBe(below);
  await writeFile(join(root, 'plumbline.yaml'), 'name: x\n');
  expect((await loadSettings({ cwd: below, env })).root).toBe(root);
});

it('without environment and state everything is embedded and the database unknown', async () => {
  const { databaseUrl, databaseEmbedded, temporal, store, serving } = await loadSettings({ cwd: root, env });
  expect({ databaseUrl, databaseEmbedded, temporal, store, serving }).toEqual({
    databaseUrl: undefined,
    databaseEmbedded: true,
    temporal: {
      address: '127.0.0.1:7233',
      namespace: 'default',
      connectionOptions: { address: '127.0.0.1:7233' },
      embedded: true,
    },
    store: join(root, '.plumbline', 'store'),
    serving: { host: '127.0.0.1', port: 8400, url: 'http://127.0.0.1:8400', isKnown: false },
  });
});

it('the state file gives the addresses of the running stack', async () => {
  await writeState(STATE, { postgresPassword: 'a-password-of-sixteen' });
  const settings = await loadSettings({ cwd: root, env });
  expect(settings.databaseUrl?.reveal()).toBe('postgres://plumbline:a-password-of-sixteen@127.0.0.1:5433/plumbline');
  expect(settings.temporal.address).toBe('127.0.0.1:7299');
  expect(settings.temporalUiUrl).toBe('http://127.0.0.1:8299');
  expect(settings.serving.url).toBe('http://127.0.0.1:8499');
});

it('the environment comes before the state file', async () => {
  await writeState(STATE, { postgresPassword: 'a-password-of-sixteen' });
  const settings = await loadSettings({
    cwd: root,
    env: {
      ...env,
      PLUMBLINE_DATABASE_URL: 'postgresql://me@db/x',
      PLUMBLINE_STORE: 'objects',
      PLUMBLINE_STORE_CACHE_GIB: '0.5',
      PLUMBLINE_SERVING_PORT: '9000',
      TEMPORAL_ADDRESS: 'cluster:7233',
      TEMPORAL_NAMESPACE: 'team',
    },
  });
  expect(settings.databaseUrl?.reveal()).toBe('postgresql://me@db/x');
  expect(settings.databaseEmbedded).toBe(false);
  expect(settings.store).toBe(join(root, 'objects'));
  expect(settings.storeCacheBytes).toBe(2 ** 29);
  expect(settings.serving.port).toBe(9000);
  expect(settings.temporal).toMatchObject({ address: 'cluster:7233', namespace: 'team', embedded: false });
  expect(settings.temporalUiUrl).toBeUndefined();
});

it('a profile names a Temporal server, with its key and TLS', async () => {
  const file = join(root, 'temporal.toml');
  await writeFile(
    file,
    '[profile.team]\naddress = "cloud:7233"\nnamespace = "prod"\napi_key = "k"\n[profile.other]\nnamespace = "x"\n',
  );
  const named = { ...env, TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'team' };
  const { temporal } = await loadSettings({ cwd: root, env: named });
  expect(temporal).toMatchObject({ address: 'cloud:7233', namespace: 'prod', embedded: false });
  expect(temporal.connectionOptions).toMatchObject({ address: 'cloud:7233', apiKey: 'k' });
  const other = await loadSettings({ cwd: root, env: { ...named, TEMPORAL_PROFILE: 'other' } });
  expect(other.temporal.embedded).toBe(true);
});

it('a damaged state file is named, with the way out', async () => {
  await writeState({ ...STATE, ports: { postgres: 'x' } });
  await expect(loadSettings({ cwd: root, env })).rejects.toMatchObject({
    code: 'CONFIG_STATE_INVALID',
    details: { path: join(root, '.plumbline', 'state.json') },
  });
});

it('a wrong value is refused without repeating what may be a secret', async () => {
  const wrong = loadSettings({ cwd: root, env: { ...env, PLUMBLINE_DATABASE_URL: 'mysql://me:hidden@db/x' } });
  await expect(wrong).rejects.toMatchObject({ code: 'CONFIG_VALUE_INVALID' });
  await expect(wrong).rejects.not.toThrow(/hidden/);
  await expect(loadSettings({ cwd: root, env: { ...env, PLUMBLINE_SERVING_PORT: '70000' } })).rejects.toThrow(
    'Reading PLUMBLINE_SERVING_PORT gave "70000", expected a port from 1 to 65535.',
  );
});

it.each([
  'postgres://me:hid#den@db/x',
  'postgres://me:hid/den@db/x',
  'postgres://me:hid?den@db/x',
  'postgres://me:12/hidden@db/x',
  'postgres://me:12#hidden@db/x',
  'postgres://me:12?hidden@db/x',
  'postgres://me:hidden%ff@db/x',
  'postgres://me:hidden@db:port/x',
])('%s is refused with the way out, and not repeated', async (url) => {
  const error = await loadSettings({ cwd: root, env: { ...env, PLUMBLINE_DATABASE_URL: url } }).catch(
    (thrown: unknown) => thrown as TerminalError,
  );
  expect(error).toMatchObject({
    code: 'CONFIG_VALUE_INVALID',
    message:
      'Reading PLUMBLINE_DATABASE_URL gave an address that cannot be read, expected postgres://user:password@host:5432/database.',
    next: expect.stringContaining('Percent-encode the password') as string,
  });
  expect(inspect(error)).not.toMatch(/hid/);
});

it.each([
  'postgres://db/x',
  'postgres://me@db/x?sslmode=require',
  'postgres://me:p@ss@db:5432/x',
  'postgres://me:50%off@db/x',
  'postgres://me:%23%2F@db/x',
  'postgres://me:secret@/x?host=/run/postgresql',
  'postgres://db/x?user=me@team&password=p',
  'postgres://me:secret@[::1]:5432/x',
])('%s is taken as it is', async (url) => {
  const settings = await loadSettings({ cwd: root, env: { ...env, PLUMBLINE_DATABASE_URL: url } });
  expect(settings.databaseUrl?.reveal()).toBe(url);
});

it('a secret prints as *** however it is printed', () => {
  const secret = new Secret('hidden');
  expect([String(secret), JSON.stringify({ secret }), inspect({ secret }), `${secret}`].join()).not.toContain('hidden');
  expect(secret.reveal()).toBe('hidden');
});
