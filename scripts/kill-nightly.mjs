// The random kill tests with more kills, and the load of many resources with 200: `node scripts/kill-nightly.mjs [kills of each kind, default 200]`.
// Each test prints its seed; PLUMBLINE_TEST_SEED=… repeats it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, requireNode, root } from './install.mjs';

const kills = Number(process.argv[2] ?? 200);
if (!Number.isInteger(kills) || kills < 1) {
  console.error(`expected a number of kills, got ${process.argv[2]}`);
  process.exit(2);
}
requireNode();
ensureInstalled();
ensureBuilt();
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'tests/faults/kill-', 'tests/faults/many-'],
  {
    cwd: root,
    stdio: 'inherit',
    env: { PLUMBLINE_TEST_SOURCES: '20', ...process.env, PLUMBLINE_TEST_KILLS: String(kills) },
  },
);
process.exit(status ?? 1);
