import type { Command } from 'commander';
import { parseId, parseLimit } from '../parse-number.js';
import type { ListRejectsOptions, RetryRejectsOptions } from '../rejects-command.js';

export function register(program: Command): void {
  const rejects = program.command('rejects').description('list quarantined rows and give them another chance');
  rejects
    .command('list')
    .description('quarantined rows with file, line, column, value and reason')
    .option('--resource <id>', 'of one resource only, such as rides or shop.orders')
    .option('--load <n>', 'of one load only; with --csv, a file to correct for `rejects retry`', parseId)
    .option('--env <name>', 'environment', 'dev')
    .option('--limit <n>', 'how many; without it --json and --csv print all, else 50', parseLimit)
    .option('--json', 'print JSON', false)
    .option('--csv', 'print CSV', false)
    .action(async (options: ListRejectsOptions, command: Command) => {
      if (options.json && options.csv) command.error('error: --json and --csv exclude each other.', { exitCode: 2 });
      await (await import('../rejects-command.js')).listRejectsCommand(options);
    });
  rejects
    .command('retry')
    .description('load quarantined rows again, as they were or corrected, and build what reads the table')
    .requiredOption('--load <n>', 'number of the load', parseId)
    .option('--file <csv>', 'corrected rows, with the columns of `rejects list --load <n> --csv`')
    .option('--env <name>', 'environment', 'dev')
    .option('--detach', 'start it and return', false)
    .option('--json', 'print one JSON object at the end', false)
    .action(async (options: RetryRejectsOptions) =>
      (await import('../rejects-command.js')).retryRejectsCommand(options),
    );
}
