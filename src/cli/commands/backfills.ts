import type { Command } from 'commander';

export function register(program: Command): void {
  const backfills = program
    .command('backfills')
    .description('the backfill of the project, of which one runs at a time');
  const changes = {
    show: 'how far it is',
    pause: 'start no further run; the one in progress goes on',
    resume: 'go on',
    cancel: 'end it and its run in progress, which then changes nothing',
  } as const;
  for (const [name, description] of Object.entries(changes) as [keyof typeof changes, string][])
    backfills
      .command(name)
      .description(description)
      .option('--env <name>', 'environment', 'dev')
      .option('--json', 'print JSON', false)
      .action(async (options: { env: string; json: boolean }) =>
        (await import('../backfill-command.js')).changeCommand(name, options),
      );
}
