import { InvalidArgumentError, Option, type Command } from 'commander';
import { MOST_PARALLEL } from '../../contracts/most-parallel.js';
import { isSelected } from '../../model/selection.js';
import type { BackfillCommandOptions } from '../backfill-command.js';
import { parseSelect } from '../parse-select.js';
import { wholeNumber } from '../whole-number.js';

const STAGES = ['load', 'transform', 'features', 'train', 'deploy'] as const;

export function register(program: Command): void {
  program
    .command('backfill')
    .description('run intervals of the past that are not done, one after the other, and follow (Ctrl-C detaches)')
    .option('--env <name>', 'environment', 'dev')
    .option('--from <date>', 'start of the first interval')
    .option('--to <date>', 'end of the last one: the first day that does not belong to it')
    .addOption(
      new Option('--interval <length>', 'how long each is. Default: as the schedules have it').choices([
        'hourly',
        'daily',
        'weekly',
        'monthly',
      ]),
    )
    .option(
      '--stages <names>',
      'what runs, in the words of `run`; all but load and transform with the last interval only',
      stages,
      ['load'],
    )
    .option(
      '--select <names>',
      'a part, as `run load --select` or, with --stages transform, `run transform --select`',
      parseSelect,
    )
    .option('--exclude <names>', 'without these, in the words of --select', parseSelect)
    .option(
      '--parallel <number>',
      'intervals at work: one runs, what the others ask an API or a bucket for is fetched meanwhile',
      parallel,
      1,
    )
    .option('--dry-run', 'only show the intervals and what became of them', false)
    .option('--failed-only', 'only those that failed', false)
    .option('--force', 'those that are done again', false)
    .option('--skip <from/to>', 'in place of --from and --to: give these up, so that nothing tries them again')
    .option('--reason <text>', 'with --skip: why; shown by --dry-run')
    .option('--unskip <from/to>', 'take a skip back')
    .option('--detach', 'start it and return', false)
    .option('--json', 'print one JSON object at the end', false)
    .action(async (options: Partial<BackfillCommandOptions> & SkipWords, command: Command) => {
      const { skip, unskip, reason, env = 'dev', json = false } = options;
      const isRange = options.from !== undefined || options.to !== undefined;
      if ([isRange, skip !== undefined, unskip !== undefined].filter(Boolean).length > 1)
        command.error("error: options '--from' and '--to', '--skip' and '--unskip' exclude each other.", { exitCode: 2 }); // prettier-ignore
      if ((skip === undefined) !== (reason === undefined) || reason?.trim() === '')
        command.error("error: options '--skip' and '--reason' go together.", { exitCode: 2 });
      if (isSelected(options) && (skip ?? unskip) !== undefined)
        command.error("error: what is skipped is skipped as a whole, without '--select' and '--exclude'.", { exitCode: 2 }); // prettier-ignore
      if (skip !== undefined)
        return (await import('../skip-command.js')).skipCommand({ ...options, env, json, skip, reason: reason! });
      if (unskip !== undefined) return (await import('../skip-command.js')).unskipCommand({ env, json, unskip });
      const isAlone = options.stages?.length === 1 && ['load', 'transform'].includes(options.stages[0]!);
      if (isSelected(options) && !isAlone)
        command.error("error: options '--select' and '--exclude' go with '--stages load' or '--stages transform'.", { exitCode: 2 }); // prettier-ignore
      if (options.from === undefined || options.to === undefined)
        command.error("error: options '--from' and '--to' are needed.", { exitCode: 2 });
      await (await import('../backfill-command.js')).backfillCommand(options as BackfillCommandOptions);
    });
}

interface SkipWords {
  readonly skip?: string;
  readonly unskip?: string;
  readonly reason?: string;
}

function parallel(text: string): number {
  const number = wholeNumber(text);
  if (number <= MOST_PARALLEL) return number;
  throw new InvalidArgumentError(`expected a whole number from 1 to ${MOST_PARALLEL}.`);
}

function stages(text: string): BackfillCommandOptions['stages'] {
  const words = text.split(',').map((word) => word.trim());
  const wrong = words.find((word) => !(STAGES as readonly string[]).includes(word));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`expected ${STAGES.join(', ')}, got ${JSON.stringify(wrong)}.`);
  return words as BackfillCommandOptions['stages'];
}
