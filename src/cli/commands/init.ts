import { relative } from 'node:path';
import type { Command } from 'commander';
import { plural } from '../../model/plural.js';

export function register(program: Command): void {
  program
    .command('init')
    .description('write a small project that runs')
    .argument('[folder]', 'new or empty folder', '.')
    .option('--template <name>', 'minimal or bike-demand', 'minimal')
    .option('--json', 'print one JSON object', false)
    .action(async (folder: string, options: { template: string; json: boolean }) => {
      const { initProject } = await import('../../project/init-project.js');
      const project = await initProject({ folder, template: options.template });
      if (options.json) {
        process.stdout.write(`${JSON.stringify(project)}\n`);
        return;
      }
      const place = relative(process.cwd(), project.root);
      const next = [...(place === '' ? [] : [`cd ${place}`]), 'plumbline up', 'plumbline run'];
      process.stdout.write(
        `${project.name}: ${project.files.length} ${plural(project.files.length, 'file')} in ${project.root}\n`,
      );
      for (const file of project.files) process.stdout.write(`  ${file}\n`);
      process.stdout.write(`next: ${next.join(' && ')}\n`);
    });
}
