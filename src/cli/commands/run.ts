import { InvalidArgumentError, type Command } from 'commander';
import { STAGE_WORDS } from '../../contracts/stage-words.js';
import { isSelected } from '../../model/selection.js';
import { parseSelect } from '../parse-select.js';
import { halfOf } from '../stage-words.js';

export function register(program: Command): void {
  program
    .command('run')
    .description('run the pipeline, redoing only what changed, and follow it (Ctrl-C detaches)')
    .argument(
      '[stage]',
      'one part only: load (transforms too), transform (loads nothing), features, train (features too), deploy (features and train too)',
      parseStage,
    )
    .option('--env <name>', 'environment', 'dev')
    .option(
      '--select <names>',
      'with transform: name, name+ (and what reads it, also of a seed or resource), +name (and what it reads); with load: source or source.resource, and nothing is built; commas between several',
      parseSelect,
    )
    .option('--exclude <names>', 'without these, in the words of --select; alone: all but these', parseSelect)
    .option('--interval <from/to>', 'what it is about: 2024-01-01/2024-01-02, or times; the end does not belong to it')
    .option('--force', 'redo every step and load every file again', false)
    .option('--accept-anomaly', 'publish tables although they are far from their own history', false)
    .option('--detach', 'start it and return', false)
    .option('--json', 'print one JSON object at the end', false)
    .action(
      async (
        stage: string | undefined,
        options: {
          env: string;
          select?: string[];
          exclude?: string[];
          interval?: string;
          force: boolean;
          acceptAnomaly: boolean;
          detach: boolean;
          json: boolean;
        },
        command: Command,
      ) => {
        if (isSelected(options) && stage !== 'transform' && stage !== 'load')
          command.error("error: options '--select' and '--exclude' go with `run transform` and `run load`.", { exitCode: 2 }); // prettier-ignore
        const { runCommand } = await import('../run-command.js');
        const stages = stage === undefined ? [] : (STAGE_WORDS[stage] ?? []);
        await runCommand({ ...options, stages, only: halfOf(stage, options) });
      },
    );
}

function parseStage(value: string): string {
  if (!Object.hasOwn(STAGE_WORDS, value))
    throw new InvalidArgumentError(`expected ${Object.keys(STAGE_WORDS).join(', ')}.`);
  return value;
}
