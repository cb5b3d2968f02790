import type { ResourceConfig } from '../model/project.js';
import { seedId } from '../model/relation-names.js';
import { listNamedFiles } from './list-named-files.js';
import { resolveColumns } from './resolve-columns.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import { didYouMean } from '../model/nearest.js';
import type { Problem } from './problem.js';
import type { ProjectYaml } from './schema/project.js';

/** The CSV files of seeds/ as resources that are replaced whole, in the order of their names. */
export async function resolveSeeds(options: {
  readonly root: string;
  readonly yaml: LocatedYaml;
  readonly project: ProjectYaml;
  readonly report: (problem: Problem) => void;
}): Promise<ResourceConfig[]> {
  const { root, yaml, project, report } = options;
  const files = await listNamedFiles(root, 'seeds', '.csv', report);
  const names = files.map(({ name }) => name);
  for (const name of Object.keys(project.seeds ?? {})) {
    if (names.includes(name)) continue;
    report({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      message: `Reading ${yaml.file} failed: there is no seeds/${name}.csv${didYouMean(name, names) || '.'}`,
      at: positionAt(yaml, ['seeds', name], 'key'),
      next: 'Correct the name, or add the file.',
    });
  }
  if (files.length > 0 && Object.hasOwn(project.sources ?? {}, 'seeds')) {
    report({
      code: 'PROJECT_NAME_TAKEN',
      message: `Reading ${yaml.file} failed: a source cannot be called seeds beside the files of seeds/.`,
      at: positionAt(yaml, ['sources', 'seeds'], 'key'),
      next: 'Rename the source.',
    });
  }
  return files.map(({ name, file }): ResourceConfig => {
    const { columns, primary_key = [] } = project.seeds?.[name] ?? {};
    return {
      id: seedId(name),
      source: 'seeds',
      table: name,
      type: 'files',
      path: file,
      format: 'csv',
      write: 'replace',
      primaryKey: [primary_key].flat(),
      columns: resolveColumns(columns),
      maxRejectedShare: 0,
      isSeed: true,
      at: { file, line: 1 },
    };
  });
}
