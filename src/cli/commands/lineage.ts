import { Option, type Command } from 'commander';

export function register(program: Command): void {
  program
    .command('lineage')
    .description('what is made from what, from the raw files to the model, as the code is now')
    .argument(
      '[node]',
      'only what this is made from and what is made from it, e.g. demand, or demand.rides for a column',
    )
    .option('--env <name>', 'environment', 'dev')
    .option('--columns', 'with columns and from which columns they are made; asks PostgreSQL, reads no row', false)
    .addOption(new Option('--mermaid', 'print a Mermaid flowchart').default(false).conflicts('json'))
    .option('--json', 'print JSON', false)
    .action(
      async (node: string | undefined, options: { env: string; columns: boolean; mermaid: boolean; json: boolean }) => {
        const { lineageCommand } = await import('../lineage-command.js');
        await lineageCommand(node, options);
      },
    );
}
