import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ServeOptions } from '../serve-command.js';

export function register(program: Command): void {
  program
    .command('serve')
    .description('serve the project’s models over HTTP until it is told to stop (SIGTERM)')
    .option('--env <name>', 'environment', 'dev')
    .option('--port <number>', 'port; 0 takes a free one (default: PLUMBLINE_SERVING_PORT or 8400)', portNumber)
    .option('--host <address>', 'address to listen on; beyond loopback PLUMBLINE_SERVE_KEYS is needed')
    .option('--project <name>', 'whose models (default: the name in plumbline.yaml)')
    .addOption(
      new Option(
        '--log <durability>',
        'a prediction survives the death of the process (spool) or of the machine (fsync)',
      )
        .choices(['spool', 'fsync'])
        .default('spool'),
    )
    .option('--spool <folder>', 'local part of the prediction log (default: .plumbline/spool)')
    .action(async (options: ServeOptions) => (await import('../serve-command.js')).serveCommand(options));
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a number from 0 to 65535.');
}
