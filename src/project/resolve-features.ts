import type { FeatureViewFile, LabelsFile } from '../model/project.js';
import { parseDuration } from './duration.js';
import { listNamedFiles } from './list-named-files.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import type { Problem } from './problem.js';
import { readSqlFile } from './read-sql-file.js';
import { featureHeader, labelsHeader } from './schema/headers.js';

interface Options {
  readonly root: string;
  readonly report: (problem: Problem) => void;
}

/** The files of features/, used or not, in the order of their names. */
export async function resolveFeatureViews({ root, report }: Options): Promise<FeatureViewFile[]> {
  const views: FeatureViewFile[] = [];
  for (const { name, file } of await listNamedFiles(root, 'features', '.sql', report)) {
    const needs = ['entity', 'event_time'];
    const read = await readSqlFile({ root, file, name, schema: featureHeader, needs, report });
    if (read === undefined) continue;
    const { entity, event_time, known_at, known_at_assumed, assumption, leak_accepted, ttl } = read.header;
    views.push({
      name,
      file,
      sql: read.sql,
      entity: columns(entity),
      eventTime: event_time,
      ...(known_at === undefined ? {} : { knownAt: known_at }),
      ...(known_at_assumed === undefined ? {} : { knownAtAssumed: known_at_assumed }),
      ...(assumption === undefined ? {} : { assumption }),
      ...(leak_accepted === undefined ? {} : { leakAccepted: leak_accepted }),
      ...(ttl === undefined ? {} : { ttlMs: parseDuration(ttl) }),
    });
  }
  return views;
}

/** The labels' file, named by plumbline.yaml; undefined when something is wrong with it. */
export async function resolveLabels(
  options: Options & { readonly yaml: LocatedYaml; readonly labels: string },
): Promise<LabelsFile | undefined> {
  const { root, report, yaml, labels } = options;
  const at = positionAt(yaml, ['train', 'labels']);
  if (labels.startsWith('/') || labels.includes('\\') || labels.split('/').includes('..')) {
    report({
      code: 'PROJECT_VALUE_INVALID',
      message: `Reading ${yaml.file} failed: train.labels is ${JSON.stringify(labels)}, expected a file inside the project.`,
      at,
      next: 'Move the file into the project, so that it travels with the code.',
    });
    return undefined;
  }
  const read = await readSqlFile({
    root,
    file: labels.replace(/^\.\//, ''),
    name: labels.slice(labels.lastIndexOf('/') + 1, -'.sql'.length),
    schema: labelsHeader,
    needs: ['entity', 'label_time', 'target', 'horizon'],
    report,
    named: at,
  });
  if (read === undefined) return undefined;
  const { entity, label_time, target, horizon } = read.header;
  return {
    name: read.name,
    file: read.file,
    sql: read.sql,
    entity: columns(entity),
    labelTime: label_time,
    target,
    horizonMs: parseDuration(horizon),
  };
}

function columns(entity: string | readonly string[]): string[] {
  if (typeof entity !== 'string') return [...entity];
  return entity
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
