import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('status')
    .description('what runs, where, and where its logs are; exit code 3 when something is down')
    .option('--json', 'print JSON', false)
    .action(async (options: { json: boolean }) => (await import('../stack-commands.js')).statusCommand(options));
}
