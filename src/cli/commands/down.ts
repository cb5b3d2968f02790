import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('down')
    .description('stop what `up` started; data stays')
    .option('--json', 'print JSON', false)
    .action(async (options: { json: boolean }) => (await import('../stack-commands.js')).downCommand(options));
}
