import type { Command } from 'commander';
import { parseId, parseLimit } from '../parse-number.js';

export function register(program: Command): void {
  const loads = program.command('loads').description('what was loaded, from which object, with how many rows');
  loads
    .command('list')
    .description('newest loads of the project')
    .option('--resource <id>', 'of one resource only, such as rides or shop.orders')
    .option('--env <name>', 'environment', 'dev')
    .option('--limit <n>', 'how many', parseLimit, 20)
    .option('--json', 'print JSON', false)
    .action(async (options: { resource?: string; env: string; limit: number; json: boolean }) =>
      (await import('../loads-command.js')).listLoadsCommand(options),
    );
  loads
    .command('show')
    .argument('<load>', 'number of the load', parseId)
    .description(
      'a load: how it was read, its columns, the versions of the table it is in, its quarantined rows by reason',
    )
    .option('--env <name>', 'environment', 'dev')
    .option('--json', 'print JSON', false)
    .action(async (load: string, options: { env: string; json: boolean }) =>
      (await import('../loads-command.js')).showLoadCommand(load, options),
    );
}
