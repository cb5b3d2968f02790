import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    env: { ORT_DISABLE_TELEMETRY: '1' },
    include: ['tests/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 3,
    globalSetup: ['tests/setup/global.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
