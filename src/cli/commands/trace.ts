import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('trace <subject>')
    .description(
      'where a prediction, model or table comes from, down to the raw files; or what became of a raw file (SHA-256)',
    )
    .option('--env <name>', 'environment', 'dev')
    .option('--json', 'print JSON', false)
    .action(async (subject: string, options: { env: string; json: boolean }) => {
      const { traceCommand } = await import('../trace-command.js');
      await traceCommand(subject, options);
    });
}
