import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('plan')
    .description('what a run would redo now and why, and every default that applies')
    .option('--env <name>', 'environment', 'dev')
    .option('--force', 'as if every step were to be redone', false)
    .option('--json', 'print JSON', false)
    .action(async (options: { env: string; force: boolean; json: boolean }) => {
      const { planCommand } = await import('../plan-command.js');
      await planCommand(options);
    });
}
