import { InvalidArgumentError, type Command } from 'commander';

export function register(program: Command): void {
  program
    .command('worker')
    .description('run a worker until it is told to stop (SIGTERM)')
    .option('--queues <names>', 'queues it serves, comma-separated', queueNames, ['default', 'heavy'])
    .action(async ({ queues }: { queues: readonly string[] }) => {
      const [{ loadSettings }, { runWorker }] = await Promise.all([
        import('../../config.js'),
        import('../../worker.js'),
      ]);
      const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
      await runWorker({ settings, queues });
    });
}

function queueNames(text: string): readonly string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length > 0) return names;
  throw new InvalidArgumentError('Expected names of queues, such as default,heavy.');
}
