import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two workers: a worker's start-up costs more than it wins on the two-core machines this project targets.
    maxWorkers: 2,
  },
});

export default config;
