import type { Command } from 'commander';
import type { PlanOptions } from '../plan-command.js';
import { parseSelect } from '../parse-select.js';

export function register(program: Command): void {
  program
    .command('plan')
    .description('what a run would redo now and why, and every default that applies')
    .option('--env <name>', 'environment', 'dev')
    .option('--select <names>', 'only these transforms, as `run transform --select` takes them', parseSelect)
    .option('--exclude <names>', 'but these, in the same words', parseSelect)
    .option('--interval <from/to>', 'as `run --interval` takes it')
    .option('--force', 'as if every step were to be redone', false)
    .option('--json', 'print JSON', false)
    .action(async (options: PlanOptions) => (await import('../plan-command.js')).planCommand(options));
}
