import type { Command } from 'commander';
import { wholeNumber } from '../whole-number.js';

export function register(program: Command): void {
  program
    .command('sql')
    .description('one query, read only; tables of the project are found by their names, metadata as plumbline.<table>')
    .argument('<query>', 'e.g. "select * from demand"')
    .option('--env <name>', 'environment', 'dev')
    .option('--limit <n>', 'rows at most; default 50, as CSV all', wholeNumber)
    .option('--json', 'print the rows as JSON', false)
    .option('--csv', 'print the rows as CSV, with a header', false)
    .option('--output <file>', 'write the rows as CSV into a file')
    .action(
      async (query: string, options: { env: string; limit?: number; json: boolean; csv: boolean; output?: string }) => {
        const { sqlCommand } = await import('../sql-command.js');
        await sqlCommand(query, options);
      },
    );
}
