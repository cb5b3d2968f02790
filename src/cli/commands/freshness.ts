import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('freshness')
    .description('how old the newest row of each source is, where `freshness` says how old it may be')
    .argument('[resources...]', 'only these, e.g. rides or rides.hours')
    .option('--env <name>', 'environment', 'dev')
    .option('--json', 'print JSON', false)
    .action(async (resources: string[], options: { env: string; json: boolean }) => {
      const { freshnessCommand } = await import('../freshness-command.js');
      await freshnessCommand(resources, options);
    });
}
