#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.js';
import * as commands from './commands/index.js';
import { guardOutput } from './guard-output.js';
import { exitCodeOf, printError } from './print-error.js';
import { knowCommands, tellFor } from './told-commands.js';

/** `plumbline …`. Each command loads what it needs when it runs, so that `--help` stays quick. */
async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('plumbline')
    .description('From SQL and one YAML file to a served, traced model: durable runs on Temporal and PostgreSQL.')
    .version(VERSION)
    .option('--verbose', 'show the stack of an error')
    .showHelpAfterError('(see --help)')
    .exitOverride();
  for (const command of Object.values(commands)) command(program);
  knowCommands(program);
  program.hook('preAction', (_program, command) => tellFor(command.opts<{ env?: string }>().env));
  // Nested commands do not inherit it.
  for (const command of allCommands(program)) command.exitOverride();
  try {
    await program.parseAsync([...argv]);
    return Number(process.exitCode ?? 0);
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
    const { orFormerSchema } = await import('./or-former-schema.js');
    const error = await orFormerSchema(thrown, { cwd: process.cwd(), env: process.env });
    printError(error, { verbose: argv.includes('--verbose'), json: asksForJson(argv) });
    return exitCodeOf(error);
  }
}

/** `predict --json` is the input: its errors are for people as without. */
function asksForJson(argv: readonly string[]): boolean {
  const command = argv.slice(2).find((word) => !word.startsWith('-'));
  return argv.includes('--json') && command !== 'predict';
}

function allCommands(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allCommands(child)]);
}

guardOutput(process.stdout);
guardOutput(process.stderr);
// `plumbline runs list | head` closes the pipe early; that is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
const code = await main(process.argv);
// Connections with keep-alive timers must not hold a finished command up.
process.exit(code);
