import type { Command } from 'commander';
import { parseLimit } from '../parse-number.js';
import type { RunLogsOptions } from '../run-logs-command.js';
import type { RunOptions } from '../runs-command.js';

export function register(program: Command): void {
  const runs = program
    .command('runs')
    .description('list, show, watch, cancel and retry runs, and what their programs print');
  runs
    .command('list')
    .description('newest runs of the project')
    .option('--env <name>', 'environment', 'dev')
    .option('--limit <n>', 'how many', parseLimit, 20)
    .option('--json', 'print JSON', false)
    .action(async (options: { env: string; limit: number; json: boolean }) =>
      (await import('../runs-command.js')).listCommand(options),
    );
  runs
    .command('show <run>')
    .description('a run and its steps')
    .option('--env <name>', 'only a run of this environment')
    .option('--json', 'print JSON', false)
    .action(async (run: string, options: RunOptions) => (await import('../runs-command.js')).showCommand(run, options));
  runs
    .command('watch <run>')
    .description('follow a run until it ends')
    .option('--env <name>', 'only a run of this environment')
    .option('--json', 'print JSON at the end', false)
    .action(async (run: string, options: RunOptions) =>
      (await import('../runs-command.js')).watchCommand(run, options),
    );
  runs
    .command('logs <run>')
    .description('what sources, taps and parsers of a run print')
    .option('--env <name>', 'only a run of this environment')
    .option('--resource <name>', 'only of this resource')
    .option('--follow', 'go on until the run has ended', false)
    .option('--json', 'print a JSON object a line', false)
    .action(async (run: string, options: RunLogsOptions) =>
      (await import('../run-logs-command.js')).runLogsCommand(run, options),
    );
  runs
    .command('cancel <run>')
    .description('stop a run; what is loaded and published stays, half-built tables are removed')
    .option('--env <name>', 'only a run of this environment')
    .option('--json', 'print JSON', false)
    .action(async (run: string, options: RunOptions) =>
      (await import('../runs-command.js')).cancelCommand(run, options),
    );
  runs
    .command('retry <run>')
    .description('run the same code again; steps that are done are not repeated')
    .option('--env <name>', 'only a run of this environment')
    .option('--detach', 'start it and return', false)
    .option('--json', 'print JSON at the end', false)
    .action(async (run: string, options: RunOptions & { detach: boolean }) =>
      (await import('../runs-command.js')).retryCommand(run, options),
    );
}
