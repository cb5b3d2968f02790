import { isS3 } from '../s3/location.js';
import { isGlob } from '../model/is-glob.js';
import type { CsvOptions, ResourceConfig, S3Config, XlsxOptions } from '../model/project.js';
import type { LocatedYaml } from './located-yaml.js';
import { intervalMs } from './rate.js';
import { resolveInterval } from './resolve-interval.js';
import { resolveInventory, resolveParser } from './resolve-inventory.js';
import { resolveChildren } from './resolve-children.js';
import { resolveLoad } from './resolve-load.js';
import { refuser, type Refusal, type ResourcePlace, type ResourceScope } from './resource-place.js';
import type { CsvYaml, FilesSourceYaml, ResourceYaml, S3Yaml } from './schema/sources.js';

export type FilesPlace = ResourcePlace<Omit<FilesSourceYaml, 'resources'> & ResourceYaml>;

/** A resource of files; empty when something is wrong, which is reported. */
export async function resolveFilesResource(files: FilesPlace, scope: ResourceScope): Promise<ResourceConfig[]> {
  const { source, id, table, given, path } = files;
  const { yaml, applied } = scope;
  const place = path.join('.');
  const refuse = (refusal: Refusal): [] => {
    refuser(files, scope)(refusal);
    return [];
  };
  // Without `path` the inventory's file stands for what is read.
  const read = given.path ?? given.inventory;
  if (read === undefined)
    return refuse({
      code: 'PROJECT_KEY_MISSING',
      message: `${place} has no "path", expected a file or a glob.`,
      next: 'Add `path:` or `inventory:`.',
    });
  const idle = idleKey(files, yaml);
  if (idle !== undefined)
    return refuse({
      message: `${place} has \`${idle.key}\` and ${idle.lacks}; it says how ${idle.what} fetched.`,
      next: `Remove \`${idle.key}\`, or add \`inventory:\`.`,
    });
  const isUrl = isHttp(read);
  const isBucket = isS3(read);
  if (!isUrl && !isBucket && /^[a-z][a-z0-9+.-]+:\/\//i.test(read)) {
    const scheme = read.slice(0, read.indexOf('://'));
    return refuse({
      code: 'PROJECT_KEY_LATER',
      message: `${place}.path: reading from ${scheme}:// is not available in this version of plumbline.`,
      at: 'path',
      next: 'Name a local file, a glob, an http(s) URL or s3://bucket/key.',
    });
  }
  const wrongS3 = isBucket ? s3Fault(read, given.s3) : given.s3 && 'the path is none of s3://.';
  if (wrongS3 !== undefined)
    return refuse({
      message: `${place}.${given.s3 === undefined ? 'path' : 's3'}: ${wrongS3}`,
      at: given.s3 === undefined ? 'path' : 's3',
      next: 'Correct it; see docs/how-to/load-from-s3.md.',
    });
  const clashing = given.csv === undefined ? undefined : clash(given.csv);
  if (clashing !== undefined)
    return refuse({ message: `${place}.csv: ${clashing}`, at: 'csv', next: 'Correct the marks.' });
  const inventory = given.inventory === undefined ? undefined : await resolveInventory(files, scope);
  const parser = given.parse === undefined ? undefined : await resolveParser(files, scope);
  if (given.inventory !== undefined && inventory === undefined) return [];
  if (given.parse !== undefined && parser === undefined) return [];
  const named = given.inventory === undefined ? (given.member ?? read) : '';
  const said = given.format ?? (given.records === undefined ? undefined : 'json');
  const format = parser === undefined ? (said ?? formatOf(isUrl ? named.replace(/[?#].*$/, '') : named)) : 'ndjson';
  if (given.csv !== undefined && format !== 'csv' && format !== 'auto')
    return refuse({
      message: `${place}.csv: the format is ${format}, expected csv.`,
      at: 'csv',
      next: 'Take `csv` out, or set `format: csv`.',
    });
  if (given.xlsx !== undefined && format !== 'xlsx')
    return refuse({
      message: `${place}.xlsx: the format is ${format}, expected xlsx.`,
      at: 'xlsx',
      next: 'Take `xlsx` out, or set `format: xlsx`.',
    });
  if (given.records !== undefined && format !== 'json')
    return refuse({
      message: `${place}.records: the format is ${format}, expected json.`,
      at: 'records',
      next: 'Take `records` out, or set `format: json`.',
    });
  const about = resolveInterval(files, scope, [read]);
  if (about === undefined) return [];
  const isByInterval = about.isNamed || about.interval !== undefined;
  if (isByInterval && inventory !== undefined)
    return refuse({
      message: `${place} is loaded by interval and has an inventory, which names all of its objects.`,
      next: 'Take one of the two out.',
    });
  const plain = read.replaceAll(/\{interval\.\w+\}/g, '') + (given.member ?? '');
  const isSeveral = !isUrl && inventory === undefined && isGlob(plain);
  const objects =
    inventory === undefined
      ? `the path is ${isSeveral ? 'a glob' : 'one file'}`
      : 'the table is what the inventory names';
  // Rows of an interval take the place of those of the same interval, and of no others: to append them is to replace it.
  const write = isByInterval && given.write === 'replace' ? 'append' : given.write;
  const load = resolveLoad({ ...files, given: { ...given, write } }, scope, {
    write: isSeveral || isByInterval ? 'append' : 'replace',
    why: isByInterval ? 'each load is of an interval' : objects,
    isPartial: isSeveral || isByInterval,
    columns: 'inferred',
  });
  if (load === undefined) return [];
  const children = resolveChildren(files, scope, load);
  if (given.format === undefined && parser === undefined)
    applied(`${place}.format = ${format} (from ${given.records === undefined ? "the path's ending" : '`records`'})`);
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
      ...(isUrl && requestsOf(given)),
      ...(inventory !== undefined && { inventory }),
      ...(parser !== undefined && { parse: parser }),
      ...(given.allow_private !== undefined && { allowPrivate: given.allow_private }),
      ...(given.member !== undefined && { member: given.member }),
      ...(given.encoding !== undefined && { encoding: given.encoding }),
      ...(given.csv !== undefined && { csv: csvOptions(given.csv) }),
      ...load,
      ...children,
      ...(isByInterval && { interval: about.interval ?? { outside: 'fail' } }),
      ...(given.allow_empty !== undefined && { allowEmpty: given.allow_empty }),
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

/** A key of requests that no resource of the source makes. What is said at a source is for those of its resources that need it. */
function idleKey(
  { source, given }: FilesPlace,
  { value }: LocatedYaml,
): { readonly key: string; readonly lacks: string; readonly what: string } | undefined {
  const { resources = {} } = (value as { sources: Record<string, FilesSourceYaml> }).sources[source]!;
  const all: readonly Pick<ResourceYaml, 'path' | 'inventory'>[] = [given, ...Object.values(resources)];
  if (all.some(({ inventory }) => inventory !== undefined)) return undefined;
  if (given.max_missing !== undefined)
    return { key: 'max_missing', lacks: 'no inventory', what: "many of an inventory's objects need not be" };
  const key = (['headers', 'rate_limit'] as const).find((one) => given[one] !== undefined);
  if (key === undefined || all.some(({ path = '' }) => isHttp(path))) return undefined;
  return { key, lacks: 'neither a URL nor an inventory', what: "a URL or an inventory's objects are" };
}

function isHttp(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** Absent where nothing is said, so that the settings of a load are what they were. */
function requestsOf({ headers, rate_limit: rate }: FilesPlace['given']): Pick<ResourceConfig, 'requests'> {
  if (headers === undefined && rate === undefined) return {};
  return { requests: { headers: headers ?? {}, intervalMs: intervalMs(rate) } };
}

function csvOptions({
  null_values: nulls,
  date_format: dateFormat,
  skip_lines: skipLines,
  ...same
}: CsvYaml): CsvOptions {
  return {
    ...same,
    ...(dateFormat !== undefined && { dateFormat }),
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
