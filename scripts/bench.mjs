// npm run bench -- <name>: prints a table of ratios with machine and versions.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, root } from './install.mjs';

ensureInstalled();
ensureBuilt();
const loader = join(root, 'tests', 'setup', 'typescript-loader.mjs');
const { status } = spawnSync(
  process.execPath,
  ['--import', loader, join(root, 'bench', 'run.ts'), ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
