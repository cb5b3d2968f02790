import { TerminalError } from '../errors.js';
import {
  findLoad,
  listLoads,
  publicationsOf,
  rejectsByReason,
  retriesOf,
  type LoadDetails,
  type LoadPublication,
  type LoadRow,
  type RejectRetry,
  type RejectSummary,
} from '../storage/loads.js';
import { pc } from './colors.js';
import { oneLine } from './display-width.js';
import { count, table } from './format.js';
import { printableLine } from './printable.js';
import { withProjectDatabase, type ProjectDatabase } from './with-database.js';
import { plural } from '../model/plural.js';

/** `plumbline loads list`: one line a load, the newest first. */
export async function listLoadsCommand(options: {
  readonly resource?: string;
  readonly env: string;
  readonly limit: number;
  readonly json: boolean;
}): Promise<void> {
  await withProjectDatabase(options.env, async (scope) => {
    const loads = await listLoads(scope.database, scope, options);
    if (options.json) return print(loads);
    process.stdout.write(
      loads.length === 0 ? 'nothing is loaded yet; `plumbline run load`\n' : `${renderLoads(loads)}\n`,
    );
  });
}

export function renderLoads(loads: readonly LoadRow[]): string {
  // Most projects have no loads of an interval.
  const outside = loads.some((load) => load.rows_outside > 0) ? ['OUTSIDE'] : [];
  const heading = ['LOAD', 'RESOURCE', 'OBJECT', 'READ', 'LOADED', 'REJECTED', 'DUPLICATE', ...outside, 'STATUS', 'WHEN (UTC)', 'RUN']; // prettier-ignore
  const rows = loads.map((load) => [
    load.load_id,
    load.resource,
    load.path,
    ...[load.rows_read, load.rows_loaded, load.rows_rejected, load.rows_duplicate].map(count),
    ...outside.map(() => count(load.rows_outside)),
    load.status,
    (load.published_at ?? load.started_at).slice(0, 19),
    load.run_id,
  ]);
  return table([heading, ...rows]);
}

/** `plumbline loads show`: everything that is recorded of one load. */
export async function showLoadCommand(
  loadId: string,
  options: { readonly env: string; readonly json: boolean },
): Promise<void> {
  await withProjectDatabase(options.env, async (scope) => {
    const load = await requireLoad(scope, loadId);
    const facts: LoadFacts = {
      load,
      publications: await publicationsOf(scope.database, scope, load),
      rejects: await rejectsByReason(scope.database, loadId),
      retries: await retriesOf(scope.database, loadId),
    };
    if (options.json) print(facts);
    else process.stdout.write(`${renderLoad(facts)}\n`);
  });
}

export interface LoadFacts {
  readonly load: LoadDetails;
  readonly publications: readonly LoadPublication[];
  readonly rejects: readonly RejectSummary[];
  readonly retries: readonly RejectRetry[];
}

/** Throws LOAD_NOT_FOUND. */
export async function requireLoad({ database, env, project }: ProjectDatabase, loadId: string): Promise<LoadDetails> {
  const load = await findLoad(database, { env, project }, loadId);
  if (load !== undefined) return load;
  throw new TerminalError('LOAD_NOT_FOUND', `Looking for load ${loadId} of ${project} in ${env} found none.`, {
    next: 'See `plumbline loads list`.',
  });
}

export function renderLoad({ load, publications, rejects, retries }: LoadFacts): string {
  const lines = [
    `load ${load.load_id}   ${load.resource}   ${load.status}   run ${load.run_id}`,
    `  object      ${printableLine(load.path)}   sha256 ${load.sha256.slice(0, 12)}${load.generation === 1 ? '' : `   loaded for the ${load.generation}. time`}`,
    `  rows        ${count(load.rows_read)} read = ${count(load.rows_loaded)} loaded + ${count(load.rows_rejected)} rejected + ${count(load.rows_duplicate)} duplicate${load.rows_outside === 0 ? '' : ` + ${count(load.rows_outside)} outside`}${load.rows_forgotten === 0 ? '' : ` + ${count(load.rows_forgotten)} forgotten`}`,
  ];
  for (const { path, rows } of load.reader?.children ?? [])
    lines.push(`  ${path.padEnd(11)} ${count(rows)} child rows`);
  const dialect = Object.entries(load.reader?.dialect ?? {}).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  if (dialect.length > 0) lines.push(`  read as     ${dialect.join(', ')}`);
  const error = load.error?.['message'];
  if (typeof error === 'string') lines.push(`  error       ${error}`);
  for (const { version, table: name, row_count, columns_added, types_changed, published_at } of publications) {
    const added = columns_added.length === 0 ? '' : `   new columns: ${columns_added.join(', ')}`;
    const retyped = types_changed.map(({ column, from, to }) => `   ${column}: ${from} → ${to}`).join('');
    lines.push(
      `  version ${version}   ${name}   ${count(row_count)} ${plural(row_count, 'row')}   ${published_at.slice(0, 19)} UTC${added}${retyped}`,
    );
  }
  for (const retry of retries)
    lines.push(
      `  retried     ${count(retry.rows_accepted)} accepted, ${count(retry.rows_rejected)} still rejected   run ${retry.run_id}   ${retry.retried_at.slice(0, 19)} UTC`,
    );
  for (const [name, values] of Object.entries(load.discarded))
    lines.push(`  dropped     ${count(values)} ${plural(values, 'value')} of column ${name}, by its contract`);
  for (const notice of load.reader?.notices ?? []) lines.push(`  ${pc.yellow('!')} ${notice}`);
  const columns = load.reader?.columns ?? [];
  if (columns.length > 0)
    lines.push('', indented([['COLUMN', 'TYPE', 'IN THE FILE'], ...columns.map(({ name, type, header }) => [name, type, header === name ? '' : header])])); // prettier-ignore
  if (rejects.length > 0) {
    const rows = rejects.map(({ kind, rows: number, first_line, column_name, reason }) => [
      count(number),
      kind,
      column_name ?? '',
      first_line === null ? '' : String(first_line),
      oneLine(reason, 100),
    ]);
    lines.push('', indented([['ROWS', 'KIND', 'COLUMN', 'FIRST LINE', 'REASON'], ...rows]));
    lines.push(pc.dim(`  see them with \`plumbline rejects list --load ${load.load_id}\``));
  }
  return lines.join('\n');
}

function indented(rows: readonly (readonly string[])[]): string {
  return table(rows.map((row) => ['', ...row]));
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
