import type { Command } from 'commander';
import { wholeNumber } from '../whole-number.js';

export function register(program: Command): void {
  program
    .command('sql')
    .description('one query, read only; tables of the project are found by their names, metadata as plumbline.<table>')
    .argument('<query>', 'e.g. "select * from demand"')
    .option('--env <name>', 'environment', 'dev')
    .option('--limit <n>', 'rows shown at most', wholeNumber, 50)
    .option('--json', 'print the rows as JSON', false)
    .action(async (query: string, options: { env: string; limit: number; json: boolean }) => {
      const { sqlCommand } = await import('../sql-command.js');
      await sqlCommand(query, options);
    });
}
