import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withLock } from '../../src/embedded/lock.js';
import { initProject } from '../../src/project/init-project.js';
import { makeStateFolder } from '../../src/state-folder.js';

// Others may pass the folder of root, since PostgreSQL's user must; nobody else may look into it.
const CLOSED = process.getuid?.() === 0 ? 0o711 : 0o700;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-closed-'));
});
afterEach(() => rm(root, { recursive: true }));
const modeOf = async (folder: string): Promise<number> => (await stat(join(folder, '.plumbline'))).mode & 0o777;

it('`init`, and `down` or `up` by their lock, make .plumbline for its owner only', async () => {
  const project = join(root, 'shop');
  await initProject({ folder: project, template: 'minimal' });
  expect(await modeOf(project)).toBe(CLOSED);
  await withLock(join(root, '.plumbline'), { timeoutMs: 1_000 }, async () => {});
  expect(await modeOf(root)).toBe(CLOSED);
});

it('closes a folder that was open', async () => {
  await mkdir(join(root, '.plumbline'));
  await chmod(join(root, '.plumbline'), 0o755);
  await makeStateFolder(join(root, '.plumbline'));
  expect(await modeOf(root)).toBe(CLOSED);
});
