import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import * as commands from '../../src/cli/commands/index.js';

const cwd = process.cwd();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-environment-'));
  await writeFile(join(root, 'plumbline.yaml'), 'name: shop\nenvironments: { prod: {} }\n');
  process.chdir(root);
  // Nothing listens there: the answer must not need a server.
  vi.stubEnv('PLUMBLINE_DATABASE_URL', 'postgres://me@127.0.0.1:9/x');
});
afterAll(async () => {
  process.chdir(cwd);
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

it.each([
  'models list',
  'models show shop',
  'models history shop',
  'models compare shop',
  'models approve shop',
  'models reject shop',
  'models promote shop 1 --reason better',
  'models rollback shop',
  'loads list',
  'loads show 1',
  'rejects list',
  'rejects retry --load 1',
  'sql TABLE',
  'trace shop',
  'runs list',
  'runs show 12345678',
  'runs cancel 12345678',
  'serve',
  'validate',
  'plan',
  'run',
])('%s refuses an environment that is not declared, with those that are', async (words) => {
  const program = new Command().exitOverride();
  for (const register of Object.values(commands)) register(program);
  await expect(program.parseAsync(['node', 'plumbline', ...words.split(' '), '--env', 'prd'])).rejects.toMatchObject({
    code: 'PROJECT_REFERENCE_UNKNOWN',
    message: 'Choosing the environment "prd" failed: plumbline.yaml does not declare it; did you mean "prod"?',
    next: 'Use one of dev, prod, or add `environments: { prd: {} }`.',
  });
});
