import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { loadSettings } from '../config.js';
import { complaint, REASON, ROW_NUMBER, valuesOf } from '../elt/load/quarantined-row.js';
import type { LoadColumn } from '../elt/schema/column.js';
import { TerminalError } from '../errors.js';
import { loadProject } from '../project/load-project.js';
import { openStore } from '../storage/open-store.js';
import { redactedStore } from '../storage/redacted-store.js';
import { findLoad, findLoadInterval, readRejects, type RejectRow } from '../storage/loads.js';
import { pc } from './colors.js';
import { compileProject } from './compile-project.js';
import { oneLine } from './display-width.js';
import { intervalOption } from './interval-option.js';
import { table } from './format.js';
import { writeData } from './guard-output.js';
import { requireLoad } from './loads-command.js';
import { startAndFollow, withRunConnections } from './run-command.js';
import { asItIs } from './told-commands.js';
import { withProjectDatabase } from './with-database.js';
import { sendBundle } from './send-bundle.js';
import { csvLine } from '../model/csv-line.js';
import type { ArtifactStore } from '../model/artifact.js';
import { plural } from '../model/plural.js';

export interface ListRejectsOptions {
  readonly resource?: string;
  readonly load?: string;
  readonly env: string;
  readonly limit?: number;
  readonly json: boolean;
  readonly csv: boolean;
}

/** `plumbline rejects list`. */
export async function listRejectsCommand(options: ListRejectsOptions): Promise<void> {
  await withProjectDatabase(options.env, async (scope) => {
    const load = options.load === undefined ? undefined : await requireLoad(scope, options.load);
    const asked = {
      ...(options.resource === undefined ? {} : { resource: options.resource }),
      ...(options.load === undefined ? {} : { loadId: options.load }),
    };
    if (options.csv && load !== undefined) {
      // A file to correct has the rows that can be retried.
      const rows = readRejects(scope.database, scope, { ...asked, kind: 'rejected' });
      return writeLines(correctable(rows, (load.reader?.columns ?? []) as readonly LoadColumn[]), options.limit);
    }
    const rows = readRejects(scope.database, scope, asked);
    if (options.csv) return writeLines(asCsv(rows), options.limit);
    if (options.json) return writeLines(asJson(rows, options.limit));
    await showRejects(rows, options.limit ?? SHOWN_ROWS);
  });
}

const SHOWN_ROWS = 50;
const COLUMNS = [
  'load_id',
  'resource',
  'kind',
  'file',
  'line',
  'row_number',
  'column_name',
  'value',
  'reason',
  'raw',
] as const;

async function showRejects(rows: AsyncIterable<RejectRow>, limit: number): Promise<void> {
  const shown: string[][] = [];
  let more = false;
  for await (const row of rows) {
    if (shown.length === limit) {
      more = true;
      break;
    }
    const { load_id, file, line, row_number, column_name, value, kind, reason, raw } = row;
    const place = line === null ? `row ${row_number}` : String(line);
    const seen = column_name === null ? (value ?? raw) : value;
    shown.push([load_id, file, place, column_name ?? '', oneLine(seen ?? '', 40), kind === 'duplicate' ? `duplicate: ${reason}` : reason]); // prettier-ignore
  }
  if (shown.length === 0) return void process.stdout.write('no row is quarantined\n');
  const lines = table([['LOAD', 'FILE', 'LINE', 'COLUMN', 'VALUE', 'REASON'], ...shown]);
  asItIs(() => process.stdout.write(`${lines}\n`));
  if (more)
    process.stdout.write(
      pc.dim(`… more than ${limit} ${plural(limit, 'row')}; see more with --limit, all with --csv or --json\n`),
    );
}

async function* asCsv(rows: AsyncIterable<RejectRow>): AsyncGenerator<string> {
  yield csvLine(COLUMNS);
  for await (const row of rows) yield csvLine(COLUMNS.map((name) => text(row[name])));
}

/** Rows as a file that `rejects retry --file` takes, each with what is wrong with it. */
export async function* correctable(
  rows: AsyncIterable<RejectRow>,
  columns: readonly LoadColumn[],
): AsyncGenerator<string> {
  const names = columns.map(({ name }) => name);
  const hasReason = !names.includes(REASON);
  yield csvLine([ROW_NUMBER, ...(hasReason ? [REASON] : []), ...names]);
  for await (const { row_number: row, line, column_name: column, value, reason, raw } of rows) {
    const quarantined = { row, line, column, value, reason, raw };
    const values = valuesOf(quarantined, columns) ?? names.map(() => null);
    yield csvLine([String(row), ...(hasReason ? [complaint(quarantined, columns)] : []), ...values]);
  }
}

async function* asJson(rows: AsyncIterable<RejectRow>, limit = Infinity): AsyncGenerator<string> {
  let written = 0;
  yield '[';
  for await (const row of rows) {
    if (written === limit) break;
    yield `${written === 0 ? '\n' : ',\n'}  ${JSON.stringify(row)}`;
    written++;
  }
  yield `${written === 0 ? '' : '\n'}]\n`;
}

function text(value: string | number | null): string | null {
  return value === null ? null : String(value);
}

/** @param limit lines behind the first */
async function writeLines(lines: AsyncIterable<string>, limit = Infinity): Promise<void> {
  let written = -1;
  for await (const line of lines) {
    if (written === limit) return;
    if (!writeData(line)) await new Promise((drained) => process.stdout.once('drain', drained));
    written++;
  }
}

export interface RetryRejectsOptions {
  readonly load: string;
  readonly file?: string;
  readonly env: string;
  readonly detach: boolean;
  readonly json: boolean;
}

/** `plumbline rejects retry`: a run whose load is the quarantined rows of an earlier one. */
export async function retryRejectsCommand(options: RetryRejectsOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env: options.env });
  compileProject(project);
  await withRunConnections(settings, async (connections) => {
    const store = redactedStore(openStore(settings), connections.database, { env: options.env, project: project.name });
    const file =
      options.file === undefined ? undefined : { name: options.file, sha256: await correctedFile(store, options.file) };
    const load = await findLoad(connections.database, { env: options.env, project: project.name }, options.load);
    if (load === undefined)
      throw new TerminalError('LOAD_NOT_FOUND', `Looking for load ${options.load} of ${project.name} in ${options.env} found none.`, { next: 'See `plumbline loads list`.' }); // prettier-ignore
    // What reads the table by interval is built for that of the load, or, where it has none, for the one that `run` takes.
    const ofLoad = await findLoadInterval(connections.database, { env: options.env, project: project.name }, options.load); // prettier-ignore
    const interval = intervalOption(ofLoad, project, new Date());
    const bundle = await sendBundle(settings, connections.database, project.name);
    await startAndFollow(
      settings,
      connections,
      {
        env: options.env,
        project: project.name,
        bundle,
        root: settings.root,
        stages: ['elt'],
        force: false,
        rejects: { loadId: options.load, resource: load.resource, ...(file === undefined ? {} : { file }) },
        ...(interval === undefined ? {} : { interval }),
      },
      options,
    );
  });

  async function correctedFile(store: ArtifactStore, path: string): Promise<string> {
    const absolute = resolve(process.cwd(), path);
    await access(absolute).catch((cause: unknown) => {
      throw new TerminalError('ELT_RETRY_FILE', `Reading the corrected rows of ${path} failed: no such file.`, {
        next: `Write one with \`plumbline rejects list --load ${options.load} --csv > ${path}\`.`,
        cause,
      });
    });
    return (await store.putFile(absolute)).sha256;
  }
}
