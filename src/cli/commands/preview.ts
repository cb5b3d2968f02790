import type { Command } from 'commander';
import { wholeNumber } from '../whole-number.js';

export function register(program: Command): void {
  program
    .command('preview')
    .description('the rows that the SELECT of one SQL file gives now, read only, from the published tables')
    .argument('<file>', 'a transform, feature view, labels or any SQL file, e.g. sql/demand.sql or demand')
    .option('--env <name>', 'environment', 'dev')
    .option('--limit <n>', 'rows shown at most', wholeNumber, 20)
    .option('--incremental', 'as the SELECT is when the table is there: is_incremental() is true', false)
    .option('--interval <from/to>', 'what {{ interval.start }} and the like give: 2024-01-01/2024-01-02, or times')
    .option('--json', 'print the rows as JSON', false)
    .action(
      async (
        file: string,
        options: { env: string; limit: number; incremental: boolean; interval?: string; json: boolean },
      ) => {
        const { previewCommand } = await import('../preview-command.js');
        await previewCommand(file, options);
      },
    );
}
