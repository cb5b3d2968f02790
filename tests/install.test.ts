import { spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../scripts/install.mjs', import.meta.url));
const LOCKED = {
  '': { name: 'plumbline', version: '0.1.0' },
  'node_modules/knex': { version: '3.3.0', integrity: 'sha512-knex' },
  'node_modules/for-another-platform': { version: '1.0.0', integrity: 'sha512-other', optional: true },
};
const { 'node_modules/knex': knex } = LOCKED;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-install-'));
  for (const folder of ['scripts', 'node_modules', 'bin']) await mkdir(join(root, folder));
  await cp(SCRIPT, join(root, 'scripts', 'install.mjs'));
  await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: LOCKED }));
  await writeFile(join(root, 'bin', 'npm'), '#!/bin/sh\necho "npm $1"\n');
  await chmod(join(root, 'bin', 'npm'), 0o755);
});
afterEach(() => rm(root, { recursive: true }));

/** Whether npm was run, with `found` in what it has written down. */
async function installs(found?: object): Promise<boolean> {
  const file = join(root, 'node_modules', '.package-lock.json');
  if (found !== undefined) await writeFile(file, JSON.stringify({ packages: found }));
  const program = `(await import(${JSON.stringify(join(root, 'scripts', 'install.mjs'))})).ensureInstalled()`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { PATH: [join(root, 'bin'), process.env['PATH']].join(delimiter) },
  });
  expect(status).toBe(0);
  return stdout.includes('npm ci');
}

it('installs nothing again after `npm ci`', async () => {
  expect(await installs({ 'node_modules/knex': knex })).toBe(false);
  expect(await installs(LOCKED)).toBe(false);
});

it.each([
  ['nothing is installed', undefined],
  ['a package is missing', {}],
  ['a version is another one', { 'node_modules/knex': { ...knex, version: '3.2.0' } }],
  ['the content is another one', { 'node_modules/knex': { ...knex, integrity: 'sha512-other' } }],
  ['there is a package too many', { 'node_modules/knex': knex, 'node_modules/left-pad': knex }],
])('installs when %s', async (_case, found) => {
  expect(await installs(found)).toBe(true);
});
