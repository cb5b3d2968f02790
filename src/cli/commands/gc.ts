import type { Command } from 'commander';
import type { GcOptions } from '../gc-command.js';

export function register(program: Command): void {
  program
    .command('gc')
    .description('collect garbage: records older than `retention:` keeps them, and objects that nothing refers to')
    .option('--dry-run', 'only count what would go', false)
    .option('--env <name>', 'environment', 'dev')
    .option('--json', 'print JSON', false)
    .action(async (options: GcOptions) => (await import('../gc-command.js')).gcCommand(options));
}
