import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('alerts')
    .description('who is told when something goes wrong, as `alerts:` says')
    .command('test')
    .description(
      'send everybody a message that is marked as a test and show what each answered; exit code 1 when one failed',
    )
    .option('--env <name>', 'environment', 'dev')
    .option('--json', 'print JSON', false)
    .action(async (options: { env: string; json: boolean }) =>
      (await import('../alerts-command.js')).testAlertsCommand(options),
    );
}
