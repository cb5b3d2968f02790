// Installs the locked dependencies when they are missing or not the locked ones, and builds dist when a source is newer.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`plumbline needs Node 20.19 or later; this is ${process.version}.`);
  process.exit(2);
}

export function ensureInstalled() {
  if (isInstalled()) return;
  console.log('installing the locked dependencies (npm ci) …');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status } = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) {
    console.error('npm ci failed; its message is above.');
    process.exit(1);
  }
}

/** npm writes down what it has installed, last of all: each locked package but those for other platforms. */
function isInstalled() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const [locked, found] = [join(root, 'package-lock.json'), installed].map(
    (path) => JSON.parse(readFileSync(path, 'utf8')).packages,
  );
  const isSame = (path) =>
    found[path].version === locked[path]?.version && found[path].integrity === locked[path].integrity;
  return (
    Object.keys(found).every(isSame) &&
    Object.keys(locked).every((path) => path === '' || path in found || locked[path].optional === true)
  );
}

export function ensureBuilt() {
  const built = join(root, 'dist', '.built');
  if (existsSync(built) && newest(join(root, 'src')) < statSync(built).mtimeMs) return;
  execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { cwd: root, stdio: 'inherit' });
}

function newest(folder) {
  let latest = statSync(folder).mtimeMs;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return latest;
}
