import type { Command } from 'commander';
import type { PredictOptions } from '../predict-command.js';

export function register(program: Command): void {
  program
    .command('predict <model>')
    .description('ask the serving model; prints JSON')
    .option('--json <input>', 'one row as {"column": value}, or several as an array')
    .option('--file <path>', 'rows from a .json or .ndjson file; - reads standard input')
    .option('--url <url>', 'address of serving (default: the one of this project)')
    .action(async (model: string, options: PredictOptions, command: Command) => {
      if ((options.json === undefined) === (options.file === undefined))
        command.error(`error: expected either --json or --file, e.g. --json '{"column": 1}'`);
      await (await import('../predict-command.js')).predictCommand(model, options);
    });
}
