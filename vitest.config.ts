import { defineConfig } from 'vitest/config';
import SpreadKills from './tests/setup/spread-kills.js';

export default defineConfig({
  test: {
    // Projects of tests name variables of this process, which stands for the worker. Where CI is set, colours would be on.
    env: {
      ORT_DISABLE_TELEMETRY: '1',
      PLUMBLINE_PROJECT_ENV: 'TEST_*,SHOP_*',
      PLUMBLINE_SECRETS_DIR: '/',
      NO_COLOR: '1',
    },
    include: ['tests/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 3,
    sequence: { sequencer: SpreadKills },
    globalSetup: ['tests/setup/global.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
