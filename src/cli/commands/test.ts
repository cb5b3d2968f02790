import { Option, type Command } from 'commander';
import { parseSelect } from '../parse-select.js';

export function register(program: Command): void {
  program
    .command('test')
    .description('unit tests on their given rows, and data tests on the published tables; writes nothing')
    .option('--env <name>', 'environment', 'dev')
    .option('--select <names>', 'only tests of these: demand, demand+, +demand, or a unit test by name', parseSelect)
    .addOption(new Option('--only <kind>', 'one kind of tests').choices(['unit', 'data']))
    .option('--json', 'print one JSON object', false)
    .action(async (options: { env: string; select?: string[]; only?: 'unit' | 'data'; json: boolean }) => {
      const { testCommand } = await import('../test-command.js');
      await testCommand(options);
    });
}
