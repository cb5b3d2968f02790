import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const folder = fileURLToPath(new URL('../../../python', import.meta.url));
const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.warn('skipped: there is no python3 on the PATH');

it.skipIf(!hasPython)('the Python package passes its own tests', () => {
  const { status, stderr } = spawnSync('python3', ['-B', '-m', 'unittest', 'discover', '-s', 'tests'], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(stderr).toContain('\nOK\n');
  expect(status).toBe(0);
});
