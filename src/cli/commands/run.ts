import { InvalidArgumentError, type Command } from 'commander';
import { STAGE_WORDS } from '../stage-words.js';

export function register(program: Command): void {
  program
    .command('run')
    .description('run the pipeline, redoing only what changed, and follow it (Ctrl-C detaches)')
    .argument(
      '[stage]',
      'one part only: load or transform (each does both), features, train (features too), deploy (features and train too)',
      parseStage,
    )
    .option('--env <name>', 'environment', 'dev')
    .option('--force', 'redo every step and load every file again', false)
    .option('--detach', 'start it and return', false)
    .option('--json', 'print one JSON object at the end', false)
    .action(
      async (stage: string | undefined, options: { env: string; force: boolean; detach: boolean; json: boolean }) => {
        const { runCommand } = await import('../run-command.js');
        await runCommand({ ...options, stages: stage === undefined ? [] : (STAGE_WORDS[stage] ?? []) });
      },
    );
}

function parseStage(value: string): string {
  if (!Object.hasOwn(STAGE_WORDS, value))
    throw new InvalidArgumentError(`expected ${Object.keys(STAGE_WORDS).join(', ')}.`);
  return value;
}
