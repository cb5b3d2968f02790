import type { Command } from 'commander';
import type { ForgetCommandOptions } from '../forget-command.js';

export function register(program: Command): void {
  program
    .command('forget')
    .description("delete a person's rows from tables, raw objects, training sets and the log of predictions; without --key, list what was forgotten")
    .option('--key <name=value>', 'a key of `personal:` and its value, such as customer_id=42; `name=-` reads the value from standard input')
    .option('--reason <text>', 'why; kept with the record, so without personal data')
    .option('--dry-run', 'only count', false)
    .option('--env <name>', 'environment', 'dev')
    .option('--json', 'print JSON', false)
    .action(async (options: ForgetCommandOptions) => (await import('../forget-command.js')).forgetCommand(options));
} // prettier-ignore
