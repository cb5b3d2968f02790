import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('up')
    .description('start PostgreSQL, Temporal, a worker and the prediction server on this machine')
    .option('--reset', 'delete all their data first', false)
    .option('--no-serving', 'leave the prediction server out')
    .option('--json', 'print one JSON object at the end', false)
    .action(async (options: { reset: boolean; serving: boolean; json: boolean }) => {
      const { upCommand } = await import('../stack-commands.js');
      await upCommand(options);
    });
}
