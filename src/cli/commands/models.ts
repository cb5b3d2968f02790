import type { Command } from 'commander';
import type { ModelOptions, DecideOptions } from '../models-command.js';

export function register(program: Command): void {
  const models = program.command('models').description('versions of the models: which serves, who decided, how good');
  const shared = (name: string, description: string): Command =>
    models
      .command(name)
      .description(description)
      .option('--env <name>', 'environment', 'dev')
      .option('--json', 'print JSON', false);
  shared('list [model]', 'versions, newest first').action(async (model: string | undefined, options: ModelOptions) =>
    (await import('../models-command.js')).listCommand(model, options),
  );
  shared(
    'show <model> [version]',
    'a version with its evidence; without a number the one that waits for approval, else the serving one, else the newest',
  ).action(async (model: string, version: string | undefined, options: ModelOptions) =>
    (await import('../models-command.js')).showCommand(model, version, options),
  );
  shared('history <model>', 'every change of what serves, and every decision').action(
    async (model: string, options: ModelOptions) =>
      (await import('../models-command.js')).historyCommand(model, options),
  );
  shared(
    'compare <model> [versions...]',
    'held-out metrics side by side; without numbers the serving and the newest',
  ).action(async (model: string, versions: string[], options: ModelOptions) =>
    (await import('../models-command.js')).compareCommand(model, versions, options),
  );
  for (const kind of ['approve', 'reject'] as const) {
    const description =
      kind === 'approve' ? 'let a waiting deployment go live' : 'end a waiting deployment; what serves stays';
    shared(`${kind} <model> [version]`, `${description}; without a number the one that waits`)
      .option('--reason <text>', 'why; kept with the decision')
      .action(async (model: string, version: string | undefined, options: DecideOptions) =>
        (await import('../models-command.js')).decideCommand(kind, model, version, options),
      );
  }
  shared('promote <model> <version>', 'make a version serve now, whatever its deployment waits for')
    .requiredOption('--reason <text>', 'why; kept with the decision')
    .action(async (model: string, version: string, options: DecideOptions) =>
      (await import('../models-command.js')).promoteCommand(model, version, options),
    );
  shared('rollback <model>', 'go back to the version that served before; needs PostgreSQL only')
    .option('--to <version>', 'the version to go back to')
    .option('--reason <text>', 'why; kept with the decision')
    .action(async (model: string, options: DecideOptions & { to?: string }) =>
      (await import('../models-command.js')).rollbackCommand(model, options),
    );
}
