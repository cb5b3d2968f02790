import { TerminalError } from '../../errors.js';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import type { DataInterval } from '../../model/data-interval.js';
import type { Database } from '../../model/database.js';
import type { CursorConfig, ResourceConfig } from '../../model/project.js';
import { readCursor } from '../cursor/cursor-state.js';
import { cursorBefore } from '../cursor/cursor-value.js';
import { openApi, type PageRequest } from '../http/api.js';
import { openSecrets } from '../http/secrets.js';
import type { CompiledQuery } from '../inventory/compile-query.js';
import type { ExtractedObject } from '../load/load-result.js';
import { addRawObject } from './add-raw-object.js';
import { combinePages } from './combine-pages.js';
import { beginExtract, formerPage, requestDigest, type ExtractKey, type LandedPage } from './extract-progress.js';
import { landEach } from './land-each.js';
import { landPages } from './land-pages.js';
import { parentRows, type ParentRows } from './parent-rows.js';
import { resourceRequest, type Asked } from './resource-request.js';
import { plural } from '../../model/plural.js';

export interface HttpExtractOptions {
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly env: string;
  readonly project: string;
  /** The project's folder; secrets of `file:` start there. */
  readonly root: string;
  readonly resource: ResourceConfig;
  /** Where secrets of `env:` are. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly runId: string;
  /** Of a resource that is asked for rows one by one: what gives the rows. */
  readonly parents?: CompiledQuery;
  /** What is asked for, of a resource that is asked by interval. */
  readonly interval?: DataInterval;
  /** Asks anew, whatever another run has landed. @default false */
  readonly force?: boolean;
  /** For a run that is still to come: nothing of a run that may be at work is taken. @default false */
  readonly ahead?: boolean;
  /** Asks for everything, or from the cursor's initial value on, whatever its state. @default false */
  readonly full?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly pages: number; readonly rows: number; readonly bytes: number }) => void;
  /** See `ApiOptions`. */
  readonly pausesMs?: readonly number[];
  readonly timeoutMs?: number;
}

export interface HttpExtract {
  readonly extractId: string;
  readonly objects: readonly ExtractedObject[];
  readonly pages: number;
  readonly rows: number;
  /** The page this attempt began with; 1 unless it went on. */
  readonly resumedFromPage: number;
}

/**
 * Asks an API page by page and puts the records, as they are written, into the artifact store as NDJSON, with a line in
 * plumbline.raw_pages each. Idempotent by (env, project, resource, unit): another attempt, or the next run, goes on
 * behind the last page that is in the manifest.
 *
 * Terminal: `ELT_HTTP_…`, `ELT_SECRET_MISSING`. Transient, a retry goes on: `ELT_HTTP_UNREACHABLE`, `ELT_HTTP_CUT`,
 * `ELT_HTTP_STATUS_TRANSIENT`, `ELT_LOAD_FENCED`.
 */
export async function extractHttp(options: HttpExtractOptions): Promise<HttpExtract> {
  const { database, store, env, project, resource, runId, force = false, ahead = false } = options;
  const parents = await parentsOf(options);
  const from = await unitOf(options, parents);
  const key = {
    env,
    project,
    resource: resource.id,
    settings: requestDigest(resource),
    unit: from.unit,
    cursorFrom: from.state,
  };
  const state = await beginExtract(database, key, runId, { isForced: force, isAhead: ahead });
  const pages = state.isComplete
    ? state.pages
    : await land(options, { key, extractId: state.extractId, landed: state.pages, asked: from, parents });
  const rows = pages.reduce((sum, page) => sum + page.rows, 0);
  if (resource.cursor !== undefined && rows > 0 && pages.every(({ cursorMax }) => cursorMax === null))
    throw cursorless(resource, resource.cursor, rows);
  const objects = await combinePages(store, pages);
  const added = await Promise.all(objects.map((object, index) => addObject(options, object, from, index + 1)));
  return {
    extractId: state.extractId,
    objects: withNotice(added, resource, parents),
    pages: pages.length,
    rows,
    resumedFromPage: Math.min(state.pages.length + 1, pages.length),
  };
}

/** The unit to ask for. `state`: how far the resource is loaded, null where that is not asked; `askFrom`: what is sent. */
async function unitOf(
  { database, env, project, resource, full, interval }: HttpExtractOptions,
  parents: ParentRows | undefined,
): Promise<Unit> {
  const { id, cursor, http } = resource;
  const each = parents === undefined ? '' : ` for each of ${parents.rows.length} rows ${parents.digest}`;
  if (http?.byInterval === true && interval !== undefined)
    return { unit: `interval ${interval.start}/${interval.end}${each}`, state: null, interval };
  if (parents !== undefined) return { unit: `all${each}`, state: null };
  if (cursor === undefined) return { unit: 'all', state: null };
  const state = full === true ? null : ((await readCursor(database, { env, project, resource: id }, cursor)) ?? null);
  const askFrom = state === null ? cursor.initial : cursorBefore(cursor, state);
  return {
    unit: askFrom === undefined ? 'all' : `${cursor.field} from ${askFrom}`,
    state,
    ...(askFrom === undefined ? {} : { askFrom }),
  };
}

async function parentsOf({ database, resource, parents }: HttpExtractOptions): Promise<ParentRows | undefined> {
  return parents === undefined ? undefined : database.session((session) => parentRows(session, parents, resource));
}

interface Unit {
  readonly unit: string;
  readonly state: string | null;
  readonly askFrom?: string;
  readonly interval?: DataInterval;
}

interface Landing {
  readonly key: ExtractKey;
  readonly extractId: string;
  readonly landed: readonly LandedPage[];
  readonly asked: Asked;
  readonly parents: ParentRows | undefined;
}

async function land(
  options: HttpExtractOptions,
  { key, extractId, landed, asked, parents }: Landing,
): Promise<LandedPage[]> {
  const { database, store, resource, signal } = options;
  const config = resource.http!;
  const secrets = openSecrets(options.environment, options.root);
  const { env, project } = key;
  const limit = { database, env, project, source: resource.source, intervalMs: config.intervalMs };
  const api = openApi({ ...options, config, secrets, limit, signal });
  const sum = { pages: 0, rows: 0, bytes: 0 };
  const count = ({ rows, bytes }: LandedPage): void => {
    sum.pages++;
    sum.rows += rows;
    sum.bytes += bytes;
  };
  landed.forEach(count);
  const onPage = (page: LandedPage): void => {
    count(page);
    options.onProgress?.({ ...sum });
  };
  const requestOf = (row?: Asked['row']): PageRequest => resourceRequest(resource, { ...asked, row });
  const work = { database, store, api, secrets, resource, extractId, onPage };
  if (parents !== undefined) return landEach({ ...work, signal, parents: parents.rows, landed, requestOf });
  const isAsked = config.pagination.type === 'none' && resource.cursor === undefined && options.force !== true;
  const isConditional = isAsked && config.body === undefined;
  return landPages({
    ...work,
    signal,
    request: requestOf(),
    landed,
    ...(isConditional && { formerPage: () => formerPage(database, key) }),
  });
}

/** Said with the first object, of which there is none when there are no records at all. */
function withNotice(
  objects: readonly ExtractedObject[],
  { id }: ResourceConfig,
  parents: ParentRows | undefined,
): readonly ExtractedObject[] {
  const without = parents?.without ?? 0;
  if (without === 0) return objects;
  const notice = `${id}: nothing was asked for ${without} ${without === 1 ? 'row' : 'rows'} without a value for its address`;
  return objects.map((object, index) => (index === 0 ? { ...object, notices: [notice] } : object));
}

async function addObject(
  options: HttpExtractOptions,
  object: ArtifactRef,
  { askFrom, interval }: Asked,
  number: number,
): Promise<ExtractedObject> {
  const { path, http } = options.resource;
  const from = askFrom === undefined ? '' : `?${[http!.cursorParam].flat().join('.')}=${askFrom}`;
  const of = interval === undefined ? from : `?interval=${interval.start}/${interval.end}`;
  const added = await addRawObject(options, `${path}${of}#${number}`, object);
  if (interval === undefined || options.resource.interval === undefined) return added;
  return { ...added, interval: { start: interval.start, end: interval.end } };
}

function cursorless({ id, at }: ResourceConfig, { field, type }: CursorConfig, rows: number): TerminalError {
  const expected = type === 'integer' ? 'whole numbers' : 'times such as 2024-01-01T00:00:00Z';
  return new TerminalError('ELT_CURSOR_MISSING', `Reading ${id} failed: none of its ${rows} ${plural(rows, 'row')} has a cursor in ${JSON.stringify(field)}; expected ${expected}.`, {
    at,
    details: { field, rows },
    next: 'Correct `cursor.field` or `cursor.type`.',
  }); // prettier-ignore
}
