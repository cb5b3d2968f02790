import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nextHint } from '../../src/cli/run-command.js';
import { loadSettings } from '../../src/config.js';
import { promote } from '../../src/deployment/promote.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import { newVersion } from '../deployment/new-version.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

async function hint(
  result: Record<string, unknown>,
  { env = 'dev', variables = {} }: { readonly env?: string; readonly variables?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const settings = await loadSettings({ cwd: '/', env: variables });
  return nextHint(settings, test.database, { env, project: 'shop', result }, []);
}

it('names the command that overrules the gates when they kept a version from serving', async () => {
  const result = {
    training: { model: 'shop', version: 3, metrics: {} },
    deployment: { status: 'not_deployed', reason: 'rmse better than champion: not computable: …' },
  };
  expect(await hint(result)).toBe(
    ' Not deployed: a gate failed. What serves stays; `plumbline models promote shop 3 --reason …` overrules the gates.',
  );
});

it('names the address that serves only where it is known, and serves this environment', async () => {
  const result = { deployment: { status: 'promoted', model: 'shop' } };
  const server = createServer((_request, response) => response.end('{"ready":true,"env":"dev"}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const variables = { PLUMBLINE_SERVING_PORT: String(port) };
    expect(await hint(result, { variables })).toContain(` Serving at http://127.0.0.1:${port}/models/shop.`);
    const other = await hint(result, { variables, env: 'prod' });
    expect(other).not.toContain(String(port));
    expect(other).toContain(' goes live on every server of prod (`plumbline serve` is one).');
    // One that does not answer is that of `up`, which serves dev.
    await new Promise((closed) => server.close(closed));
    expect(await hint(result, { variables })).toContain(` Serving at http://127.0.0.1:${port}/models/shop.`);
    expect(await hint(result, { variables, env: 'prod' })).toBe(other);
  } finally {
    server.close();
  }
  const unknown = await hint(result);
  expect(unknown).not.toContain('8400');
  expect(unknown).toContain("plumbline predict shop --url http://… --json '{…}'");
});

it('says that a version waits for approval only until it serves', async () => {
  const { database } = test;
  const key = { env: 'dev', project: 'shop', model: 'shop' };
  const { version } = await registerVersion({ database, version: newVersion(key) });
  const result = {
    training: { model: 'shop', version, metrics: {} },
    deployment: { status: 'waiting_for_approval', reason: `plumbline models approve shop ${version}` },
  };
  expect(await hint(result)).toBe(` Waiting for approval: \`plumbline models approve shop ${version}\``);
  await promote({ database, ...key, version, who: 'ada', reason: 'better' });
  expect(await hint(result)).toBe(` shop v${version} serves already.`);
});
