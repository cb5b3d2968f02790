import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('worker')
    .description('run a worker until it is told to stop (SIGTERM)')
    .option('--queues <names>', 'queues it serves, comma-separated', 'default,heavy')
    .action(async (options: { queues: string }) => {
      const [{ loadSettings }, { runWorker }] = await Promise.all([
        import('../../config.js'),
        import('../../worker.js'),
      ]);
      const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
      const queues = options.queues
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '');
      await runWorker({ settings, queues });
    });
}
