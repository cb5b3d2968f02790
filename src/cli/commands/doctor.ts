import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('doctor')
    .description('check what a run needs; each line is ok or says what to do; exit code 3 when something fails')
    .option('--json', 'print JSON', false)
    .action(async (options: { json: boolean }) => (await import('../doctor-command.js')).doctorCommand(options));
}
