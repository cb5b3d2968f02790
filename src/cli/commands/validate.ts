import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('validate')
    .description('check plumbline.yaml and the SQL files, without a database')
    .option('--env <name>', 'environment', 'dev')
    .option('--json', 'print one JSON object', false)
    .action(async (options: { env: string; json: boolean }) => {
      const { validateCommand } = await import('../validate-command.js');
      await validateCommand(options);
    });
}
