import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import SpreadStacks from './tests/setup/spread-stacks.js';

/** Whole stacks and servers of their own. */
const STACKS = /^tests\/(faults|embedded|integration|replay)\//;
/** What a file may do to the process that it runs in. */
const CHANGES_ITS_PROCESS =
  /\bvi\.(mock|doMock|stubEnv|stubGlobal|useFakeTimers|resetModules|hoisted)\b|process\.(chdir|on)\(|process\.env\[[^\]]*\] = |delete process\.env|Runtime\.install|globalThis\.\w+ = /;

const files = readdirSync(join(import.meta.dirname, 'tests'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => join('tests', file));
const alone = files.filter(
  (file) => STACKS.test(file) || CHANGES_ITS_PROCESS.test(readFileSync(join(import.meta.dirname, file), 'utf8')),
);
const shared = files.filter((file) => !alone.includes(file));

const common = {
  // Projects of tests name variables of this process, which stands for the worker. Where CI is set, colours would be on.
  env: { ORT_DISABLE_TELEMETRY: '1', PLUMBLINE_PROJECT_ENV: 'TEST_*,SHOP_*', NO_COLOR: '1' },
  pool: 'forks',
  testTimeout: 90_000,
  hookTimeout: 120_000,
} as const;

export default defineConfig({
  test: {
    // Of processes that are killed, of leases and of servers they wait more than they work.
    maxWorkers: 4,
    sequence: { sequencer: SpreadStacks },
    globalSetup: ['tests/setup/global.ts'],
    projects: [
      { test: { ...common, name: 'alone', include: alone } },
      // One after another in the same processes, which load Temporal, DuckDB and the rest once: a sixth of their processor time.
      { test: { ...common, name: 'shared', isolate: false, include: shared } },
    ],
  },
});
