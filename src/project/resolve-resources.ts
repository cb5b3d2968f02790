import { isS3 } from '../s3/location.js';
import type { CsvOptions, ResourceConfig, S3Config, XlsxOptions } from '../model/project.js';
import { positionAt, type LocatedYaml, type Path } from './located-yaml.js';
import type { Problem } from './problem.js';
import { resolveColumns } from './resolve-columns.js';
import { resolveAnomaly } from './resolve-anomaly.js';
import { resolveContract } from './resolve-contract.js';
import { resolveInterval } from './resolve-interval.js';
import { resolveMerge, whenGoneLine } from './resolve-merge.js';
import { resolveHttpResource } from './resolve-http-resource.js';
import { resolveInventory, resolveParser } from './resolve-inventory.js';
import { resolvePostgresResource } from './resolve-postgres-resource.js';
import { resolveProgramResource } from './resolve-program-resource.js';
import { resolveSingerResource } from './resolve-singer-resource.js';
import type { CsvYaml, FilesSourceYaml, ResourceYaml, S3Yaml, SourceYaml } from './schema/sources.js';
import { parseShare } from './share.js';

export interface ResourceScope {
  /** The project's folder. */
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
    resolved.push(...(await resolveSource(source, given, scope)));
  }
  return resolved;
}

async function resolveSource(source: string, given: SourceYaml, scope: ResourceScope): Promise<ResourceConfig[]> {
  switch (given.type) {
    case 'http': {
      const resolved: ResourceConfig[] = [];
      for (const place of placesOf(source, given, scope)) resolved.push(...(await resolveHttpResource(place, scope)));
      return resolved;
    }
    case 'postgres':
      return placesOf(source, given, scope).flatMap((place) => resolvePostgresResource(place, scope));
    case 'python':
      return placesOf(source, given, scope).flatMap((place) => resolveProgramResource(place, scope));
    case 'plugin':
      return placesOf(source, given, scope).flatMap((place) => resolveProgramResource(place, scope));
    case 'singer':
      return placesOf(source, given, scope).flatMap((place) => resolveSingerResource(place, scope));
    default: {
      const resolved: ResourceConfig[] = [];
      for (const place of placesOf(source, given, scope)) resolved.push(...(await resolveFilesResource(place, scope)));
      return resolved;
    }
  }
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
  const isBucket = isS3(read);
  if (!isUrl && !isBucket && /^[a-z][a-z0-9+.-]+:\/\//i.test(read)) {
    const scheme = read.slice(0, read.indexOf('://'));
    return refuse(
      'PROJECT_KEY_LATER',
      `${place}.path: reading from ${scheme}:// is not available in this version of plumbline.`,
      positionAt(yaml, [...path, 'path']),
      'Name a local file, a glob, an http(s) URL or s3://bucket/key.',
    );
  }
  const wrongS3 = isBucket ? s3Fault(read, given.s3) : given.s3 && 'the path is none of s3://.';
  if (wrongS3 !== undefined)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.${given.s3 === undefined ? 'path' : 's3'}: ${wrongS3}`,
      positionAt(yaml, [...path, given.s3 === undefined ? 'path' : 's3']),
      'Correct it; see docs/how-to/load-from-s3.md.',
    );
  const primaryKey = [given.primary_key ?? []].flat();
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
  const said = given.format ?? (given.records === undefined ? undefined : 'json');
  const format = parser === undefined ? (said ?? formatOf(isUrl ? named.replace(/[?#].*$/, '') : named)) : 'ndjson';
  if (given.csv !== undefined && format !== 'csv' && format !== 'auto')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.csv: the format is ${format}, expected csv.`,
      positionAt(yaml, [...path, 'csv']),
      'Take `csv` out, or set `format: csv`.',
    );
  if (given.xlsx !== undefined && format !== 'xlsx')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.xlsx: the format is ${format}, expected xlsx.`,
      positionAt(yaml, [...path, 'xlsx']),
      'Take `xlsx` out, or set `format: xlsx`.',
    );
  if (given.records !== undefined && format !== 'json')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.records: the format is ${format}, expected json.`,
      positionAt(yaml, [...path, 'records']),
      'Take `records` out, or set `format: json`.',
    );
  const about = resolveInterval(given, [read]);
  if ('wrong' in about)
    return refuse('PROJECT_VALUE_INVALID', `${place} ${about.wrong}`, about.key === undefined ? position : positionAt(yaml, [...path, about.key], 'key'), about.next); // prettier-ignore
  const interval = about.interval ?? (about.isNamed ? { outside: 'fail' as const } : undefined);
  if (interval !== undefined && (inventory !== undefined || given.anomaly !== undefined))
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place} is loaded by interval and has ${inventory === undefined ? '"anomaly", which compares whole tables' : 'an inventory, which names all of its objects'}.`,
      position,
      'Take one of the two out.',
    );
  const isGlob =
    !isUrl &&
    inventory === undefined &&
    /[*?[{]/.test(read.replaceAll(/\{interval\.\w+\}/g, '') + (given.member ?? ''));
  const whole = isGlob && interval === undefined ? 'append' : 'replace';
  const asked = given.write ?? (given.merge !== undefined ? 'merge' : whole);
  // Rows of an interval take the place of those of the same interval, and no others: to replace and to append is one thing.
  const write = interval !== undefined && asked === 'replace' ? 'append' : asked;
  const merging = { given: given.merge, write, primaryKey, isPartial: isGlob || interval !== undefined };
  const merged = resolveMerge(merging);
  if ('wrong' in merged)
    return refuse(
      given.merge === undefined ? 'PROJECT_KEY_MISSING' : 'PROJECT_VALUE_INVALID',
      `${place} ${merged.wrong}`,
      positionAt(yaml, [...path, given.merge === undefined ? 'write' : 'merge']),
      merged.next,
    );
  if (given.write === undefined) {
    const path =
      interval === undefined ? `the path is ${isGlob ? 'a glob' : 'one file'}` : 'the rows of the interval only';
    const objects = inventory === undefined ? path : 'the table is what the inventory names';
    applied(`${place}.write = ${asked} (${given.merge === undefined ? objects : '`merge` is set'})`);
  }
  if (given.anomaly !== undefined && write !== 'replace')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place} has "anomaly" and write: ${write}; it compares whole tables.`,
      positionAt(yaml, [...path, 'anomaly'], 'key'),
      'Set write: replace, or take `anomaly` out.',
    );
  for (const line of whenGoneLine(merging, merged.merge)) applied(`${place}.${line}`);
  if (about.interval !== undefined && given.outside_interval === undefined) applied(`${place}.outside_interval = fail`);
  if (given.format === undefined && parser === undefined)
    applied(`${place}.format = ${format} (from ${given.records === undefined ? "the path's ending" : '`records`'})`);
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
      ...(given.xlsx !== undefined && { xlsx: xlsxOptions(given.xlsx) }),
      ...(given.records !== undefined && { records: given.records.split('.') }),
      ...(given.s3 !== undefined && { s3: s3Config(given.s3) }),
      ...(inventory !== undefined && { inventory }),
      ...(parser !== undefined && { parse: parser }),
      ...(given.allow_private !== undefined && { allowPrivate: given.allow_private }),
      ...(given.member !== undefined && { member: given.member }),
      ...(given.encoding !== undefined && { encoding: given.encoding }),
      ...(given.csv !== undefined && { csv: csvOptions(given.csv) }),
      write,
      primaryKey,
      ...merged,
      columns: resolveColumns(given.columns),
      ...resolveAnomaly(given.anomaly, write, applied, place),
      ...resolveContract(given.contract, write, applied, place),
      ...(interval !== undefined && { interval }),
      maxRejectedShare: parseShare(given.max_rejected ?? 0.01),
      at,
    },
  ];
}

/** What is wrong with a path of s3:// or with how its bucket is reached; undefined when nothing is. */
function s3Fault(path: string, s3: S3Yaml = {}): string | undefined {
  const keys = [s3.access_key_id, s3.secret_access_key].filter((one) => one !== undefined).length;
  if (!/^s3:\/\/[a-z0-9][\w.-]{1,62}\/./i.test(path))
    return `${JSON.stringify(path)} names no bucket and key, expected s3://bucket/key.`;
  if (keys === 1) return 'one of access_key_id and secret_access_key is missing, expected both or neither.';
  if (s3.session_token !== undefined && keys === 0) return 'a session_token goes with an access_key_id.';
  if ([keys === 2, s3.profile !== undefined, s3.anonymous === true].filter(Boolean).length > 1)
    return 'expected one of access_key_id, profile and anonymous.';
  return undefined;
}

function s3Config(given: S3Yaml): S3Config {
  const { endpoint, region, path_style: pathStyle, profile, anonymous: isAnonymous } = given;
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = given;
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(pathStyle !== undefined && { pathStyle }),
    ...(profile !== undefined && { profile }),
    ...(isAnonymous !== undefined && { isAnonymous }),
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && {
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
      }),
  };
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

function xlsxOptions({ header_row: headerRow, sheet, range }: NonNullable<ResourceYaml['xlsx']>): XlsxOptions {
  return {
    ...(sheet !== undefined && { sheet }),
    ...(range !== undefined && { range }),
    ...(headerRow !== undefined && { headerRow }),
  };
}

/** Marks that would mean two things at once; undefined when there are none. */
function clash({
  delimiter,
  decimal = '.',
  thousands,
  quote = '"',
  escape = quote,
  comment,
}: CsvYaml): string | undefined {
  if (thousands === decimal)
    return `decimal and thousands are both ${JSON.stringify(decimal)}, expected different ones.`;
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
  const ending = /\.(csv|tsv|ndjson|jsonl|parquet|xlsx)(\.gz|\.zst)?$/i.exec(path)?.[1]?.toLowerCase();
  if (ending === undefined) return 'auto';
  if (ending === 'tsv') return 'csv';
  return ending === 'jsonl' ? 'ndjson' : (ending as 'csv' | 'ndjson' | 'parquet' | 'xlsx');
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
