import type { CsvOptions, ResourceConfig } from '../model/project.js';
import { positionAt, type LocatedYaml, type Path } from './located-yaml.js';
import type { Problem } from './problem.js';
import { resolveColumns } from './resolve-columns.js';
import { resolveHttpResource } from './resolve-http-resource.js';
import { resolveInventory, resolveParser } from './resolve-inventory.js';
import type { CsvYaml, FilesSourceYaml, ResourceYaml, SourceYaml } from './schema/sources.js';
import { parseShare } from './share.js';

export interface ResourceScope {
  readonly root: string;
  readonly yaml: LocatedYaml;
  readonly report: (problem: Problem) => void;
  /** Takes one line for each default that is applied. */
  readonly applied: (line: string) => void;
}

/** The resources of all sources in the order of the file. */
export async function resolveResources(
  sources: Readonly<Record<string, SourceYaml>>,
  scope: ResourceScope,
): Promise<ResourceConfig[]> {
  const resolved: ResourceConfig[] = [];
  for (const [source, given] of Object.entries(sources)) {
    if (given.type === undefined) scope.applied(`sources.${source}.type = files`);
    if (given.type === 'http')
      for (const place of placesOf(source, given, scope)) resolved.push(...resolveHttpResource(place, scope));
    else
      for (const place of placesOf(source, given, scope)) resolved.push(...(await resolveFilesResource(place, scope)));
  }
  return resolved;
}

export type FilesPlace = ResourcePlace<Omit<FilesSourceYaml, 'resources'> & ResourceYaml>;

/** One resource in the file: its name, what is said of it there or at its source, and where. */
export interface ResourcePlace<Yaml> {
  readonly source: string;
  readonly id: string;
  readonly table: string;
  readonly given: Yaml;
  readonly path: Path;
}

/** The resources of a source; one without `resources` is a resource of its own name. */
function placesOf<Yaml extends { readonly resources?: Readonly<Record<string, object>> | undefined }>(
  source: string,
  given: Yaml,
  { yaml, report }: ResourceScope,
): ResourcePlace<Omit<Yaml, 'resources'>>[] {
  const { resources, ...shared } = given;
  const path = ['sources', source];
  const places =
    resources === undefined
      ? [{ source, id: source, table: source, given: shared, path }]
      : Object.entries(resources).map(([name, own]) => ({
          source,
          id: `${source}.${name}`,
          table: `${source}_${name}`,
          given: { ...shared, ...own },
          path: [...path, 'resources', name],
        }));
  return places.filter((place) => {
    if (place.table.length <= 50) return true;
    report({
      code: 'PROJECT_NAME_TOO_LONG',
      message: `Reading ${yaml.file} failed: the table ${place.table} has a name longer than 50.`,
      at: positionAt(yaml, place.path, 'key'),
      next: 'Shorten the name.',
    });
    return false;
  });
}

async function resolveFilesResource(files: FilesPlace, scope: ResourceScope): Promise<ResourceConfig[]> {
  const { source, id, table, given, path } = files;
  const { yaml, report, applied } = scope;
  const place = path.join('.');
  const position = positionAt(yaml, path, 'key');
  const at = { file: yaml.file, line: position.line ?? 1 };
  const refuse = (code: Problem['code'], message: string, where: Problem['at'], next: string): [] => {
    report({ code, message: `Reading ${yaml.file} failed: ${message}`, at: where, next });
    return [];
  };
  // Without `path` the inventory's file stands for what is read.
  const read = given.path ?? given.inventory;
  if (read === undefined)
    return refuse(
      'PROJECT_KEY_MISSING',
      `${place} has no "path", expected a file or a glob.`,
      position,
      'Add `path:` or `inventory:`.',
    );
  const ofInventory = (['headers', 'rate_limit', 'max_missing'] as const).find((key) => given[key] !== undefined);
  if (given.inventory === undefined && ofInventory !== undefined && !hasInventories(files, yaml))
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place} has \`${ofInventory}\` and no inventory; it says how an inventory's objects are fetched.`,
      positionAt(yaml, path, 'key'),
      `Remove \`${ofInventory}\`, or add \`inventory:\`.`,
    );
  const isUrl = /^https?:\/\//i.test(read);
  if (!isUrl && /^[a-z][a-z0-9+.-]+:\/\//i.test(read)) {
    const scheme = read.slice(0, read.indexOf('://'));
    return refuse(
      'PROJECT_KEY_LATER',
      `${place}.path: reading from ${scheme}:// is not available in this version of plumbline.`,
      positionAt(yaml, [...path, 'path']),
      'Name a local file, a glob or an http(s) URL.',
    );
  }
  if (isUrl && (given.member !== undefined || /\.zip$/i.test(read.replace(/[?#].*$/, ''))))
    return refuse(
      'PROJECT_KEY_LATER',
      `${place}: reading a zip archive over HTTP is not available in this version of plumbline.`,
      positionAt(yaml, [...path, 'path']),
      'Fetch the archive, and name the local file.',
    );
  const primaryKey = [given.primary_key ?? []].flat();
  if (given.write === 'merge' && primaryKey.length === 0)
    return refuse(
      'PROJECT_KEY_MISSING',
      `${place} is merged and has no "primary_key".`,
      positionAt(yaml, [...path, 'write']),
      'Add `primary_key:`, or write: replace.',
    );
  const clashing = given.csv === undefined ? undefined : clash(given.csv);
  if (clashing !== undefined)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.csv: ${clashing}`,
      positionAt(yaml, [...path, 'csv']),
      'Correct the marks.',
    );
  const inventory = given.inventory === undefined ? undefined : await resolveInventory(files, scope);
  const parser = given.parse === undefined ? undefined : await resolveParser(files, scope);
  if (given.inventory !== undefined && inventory === undefined) return [];
  if (given.parse !== undefined && parser === undefined) return [];
  const named = given.inventory === undefined ? (given.member ?? read) : '';
  const format =
    parser === undefined ? (given.format ?? formatOf(isUrl ? named.replace(/[?#].*$/, '') : named)) : 'ndjson';
  if (given.csv !== undefined && format !== 'csv' && format !== 'auto')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.csv: the format is ${format}, expected csv.`,
      positionAt(yaml, [...path, 'csv']),
      'Take `csv` out, or set `format: csv`.',
    );
  const isGlob = !isUrl && inventory === undefined && /[*?[{]/.test(read + (given.member ?? ''));
  const write = given.write ?? (isGlob ? 'append' : 'replace');
  if (given.write === undefined) {
    const why = inventory === undefined ? `the path is ${isGlob ? 'a glob' : 'one file'}` : 'the table is what the inventory names'; // prettier-ignore
    applied(`${place}.write = ${write} (${why})`);
  }
  if (given.format === undefined && parser === undefined)
    applied(`${place}.format = ${format} (from the path's ending)`);
  if (given.max_rejected === undefined) applied(`${place}.max_rejected = 1%`);
  if (given.columns === undefined) applied(`${place}.columns = inferred`);
  return [
    {
      id,
      source,
      table,
      type: 'files',
      path: read,
      format,
      ...(inventory !== undefined && { inventory }),
      ...(parser !== undefined && { parse: parser }),
      ...(given.allow_private !== undefined && { allowPrivate: given.allow_private }),
      ...(given.member !== undefined && { member: given.member }),
      ...(given.encoding !== undefined && { encoding: given.encoding }),
      ...(given.csv !== undefined && { csv: csvOptions(given.csv) }),
      write,
      primaryKey,
      columns: resolveColumns(given.columns),
      maxRejectedShare: parseShare(given.max_rejected ?? 0.01),
      at,
    },
  ];
}

/** What is said at a source is for those of its resources that have an inventory. */
function hasInventories({ source }: FilesPlace, { value }: LocatedYaml): boolean {
  const { resources = {} } = (value as { sources: Record<string, FilesSourceYaml> }).sources[source]!;
  return Object.values(resources).some(({ inventory }) => inventory !== undefined);
}

function csvOptions({ null_values: nulls, skip_lines: skipLines, ...same }: CsvYaml): CsvOptions {
  return {
    ...same,
    ...(nulls !== undefined && { nullValues: [nulls].flat() }),
    ...(skipLines !== undefined && { skipLines }),
  };
}

/** Marks that would mean two things at once; undefined when there are none. */
function clash({ delimiter, quote = '"', escape = quote, comment }: CsvYaml): string | undefined {
  const marks = { delimiter, quote: quote || undefined, comment, escape: escape === quote ? undefined : escape };
  const seen = new Map<string, string>();
  for (const [name, mark] of Object.entries(marks)) {
    if (mark === undefined) continue;
    const other = seen.get(mark);
    if (other !== undefined) return `${other} and ${name} are both ${JSON.stringify(mark)}, expected different ones.`;
    seen.set(mark, name);
  }
  return quote === '' && escape !== '' ? 'there is an escape and no quote, expected both or neither.' : undefined;
}

function formatOf(path: string): ResourceConfig['format'] {
  const ending = /\.(csv|tsv|ndjson|jsonl|parquet)(\.gz)?$/i.exec(path)?.[1]?.toLowerCase();
  if (ending === undefined) return 'auto';
  if (ending === 'tsv') return 'csv';
  return ending === 'jsonl' ? 'ndjson' : (ending as 'csv' | 'ndjson' | 'parquet');
}

/** Two sources, or a source and a seed, that would be one table. */
export function refuseSameTable(resources: readonly ResourceConfig[], report: (problem: Problem) => void): void {
  const taken = new Map<string, ResourceConfig>();
  for (const resource of resources) {
    const other = taken.get(resource.table);
    if (other === undefined) taken.set(resource.table, resource);
    else
      report({
        code: 'PROJECT_NAME_TAKEN',
        message: `Reading ${resource.at.file} failed: ${other.id} and ${resource.id} would both be the table ${resource.table}.`,
        at: resource.at,
        next: 'Rename one of the two.',
      });
  }
}
