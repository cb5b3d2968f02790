import type { Command } from 'commander';
import type { ScheduleOptions } from '../schedule-command.js';

export function register(program: Command): void {
  const schedule = program.command('schedule').description('runs that start by themselves, as `schedule:` says');
  const shared = (name: string, description: string): Command =>
    schedule
      .command(name)
      .description(description)
      .option('--env <name>', 'environment', 'dev')
      .option('--json', 'print JSON', false);
  shared('apply', "make Temporal's schedules those of plumbline.yaml, with the code as it is now")
    .option('--dry-run', 'only show what differs', false)
    .action(async (options: ScheduleOptions & { dryRun: boolean }) =>
      (await import('../schedule-command.js')).applyCommand(options),
    );
  shared('list', 'what was applied: next and last start, its run, what is left out or behind, which code').action(
    async (options: ScheduleOptions) => (await import('../schedule-command.js')).listCommand(options),
  );
  const changes = {
    pause: 'let nothing start until it is resumed, and end the start in progress behind its run; without a name, all',
    resume: 'let it start again; without a name, all',
    trigger: 'start it now, or behind the start that runs',
  } as const;
  for (const change of ['pause', 'resume', 'trigger'] as const) {
    const command = shared(change === 'trigger' ? 'trigger <name>' : `${change} [name]`, changes[change]);
    if (change !== 'trigger') command.option('--reason <text>', 'why; shown by list');
    command.action(async (name: string | undefined, options: ScheduleOptions & { reason?: string }) =>
      (await import('../schedule-command.js')).changeCommand(change, name, options),
    );
  }
  shared('cancel <name>', 'end the start in progress and its run; the next one comes at its time').action(
    async (name: string, options: ScheduleOptions) =>
      (await import('../schedule-command.js')).cancelCommand(name, options),
  );
  shared('delete <name>', 'remove one; a start in progress ends behind its run').action(
    async (name: string, options: ScheduleOptions) =>
      (await import('../schedule-command.js')).deleteCommand(name, options),
  );
}
