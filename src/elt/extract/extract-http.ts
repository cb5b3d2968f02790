import { TerminalError, TransientError, type PipelineError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import type { Database } from '../../model/database.js';
import type { CursorConfig, HttpRequestConfig, ResourceConfig } from '../../model/project.js';
import { readCursor } from '../cursor/cursor-state.js';
import { cursorBefore, cursorOrder, laterCursor } from '../cursor/cursor-value.js';
import { openApi, type Answer, type Api } from '../http/api.js';
import { firstUrl, nextUrl } from '../http/next-url.js';
import { readPage, type Page } from '../http/read-page.js';
import { isReference, openSecrets, type Secrets } from '../http/secrets.js';
import type { ExtractedObject } from '../load/load-result.js';
import { jsonMembers, text } from '../read/ndjson-line.js';
import { addRawObject } from './add-raw-object.js';
import { combinePages } from './combine-pages.js';
import {
  addPage,
  beginExtract,
  formerPage,
  requestDigest,
  type ExtractKey,
  type LandedPage,
} from './extract-progress.js';

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
  /** Asks anew, whatever another run has landed. @default false */
  readonly force?: boolean;
  /** Asks for everything, or from the cursor's initial value on; its state stays. @default false */
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
 * Terminal: `ELT_HTTP_…`, `ELT_SECRET_MISSING`, `ELT_SOURCE_EMPTY`. Transient, a retry goes on: `ELT_HTTP_UNREACHABLE`, `ELT_HTTP_CUT`,
 * `ELT_HTTP_STATUS_TRANSIENT`, `ELT_LOAD_FENCED`.
 */
export async function extractHttp(options: HttpExtractOptions): Promise<HttpExtract> {
  const { database, store, env, project, resource, runId } = options;
  const from = await unitOf(options);
  const key = {
    env,
    project,
    resource: resource.id,
    settings: requestDigest(resource),
    unit: from.unit,
    cursorFrom: from.state,
  };
  const state = await beginExtract(database, key, runId, options.force ?? false);
  const pages = state.isComplete
    ? state.pages
    : await landPages(options, { key, extractId: state.extractId, landed: state.pages, askFrom: from.askFrom });
  const rows = pages.reduce((sum, page) => sum + page.rows, 0);
  if (rows === 0 && resource.write === 'replace' && resource.allowEmpty !== true) throw emptySource(resource, pages);
  if (resource.cursor !== undefined && rows > 0 && pages.every(({ cursorMax }) => cursorMax === null))
    throw cursorless(resource, resource.cursor, rows);
  const objects = await combinePages(store, pages);
  return {
    extractId: state.extractId,
    objects: await Promise.all(objects.map((object, index) => addObject(options, object, from.askFrom, index + 1))),
    pages: pages.length,
    rows,
    resumedFromPage: Math.min(state.pages.length + 1, pages.length),
  };
}

/** A server that never stops is not asked for ever. */
const MAX_PAGES = 100_000;

/** The unit to ask for. `state`: how far the resource is loaded; `askFrom`: what is sent. */
async function unitOf({ database, env, project, resource, full }: HttpExtractOptions): Promise<Unit> {
  const { id, cursor } = resource;
  if (cursor === undefined) return { unit: 'all', state: null };
  const state = (await readCursor(database, { env, project, resource: id }, cursor)) ?? null;
  const askFrom = state === null || full === true ? cursor.initial : cursorBefore(cursor, state);
  return {
    unit: askFrom === undefined ? 'all' : `${cursor.field} from ${askFrom}`,
    state,
    ...(askFrom === undefined ? {} : { askFrom }),
  };
}

interface Unit {
  readonly unit: string;
  readonly state: string | null;
  readonly askFrom?: string;
}

interface Landing {
  readonly key: ExtractKey;
  readonly extractId: string;
  readonly landed: readonly LandedPage[];
  readonly askFrom: string | undefined;
}

async function landPages(
  options: HttpExtractOptions,
  { key, extractId, landed, askFrom }: Landing,
): Promise<LandedPage[]> {
  const { database, store, resource, signal } = options;
  const config = resource.http!;
  const secrets = openSecrets(options.environment, options.root);
  const limit = {
    database,
    env: key.env,
    project: key.project,
    source: resource.source,
    intervalMs: config.intervalMs,
  };
  const api = openApi({ ...options, config, secrets, limit, signal });
  const pages = [...landed];
  const asked = new Set(pages.map(({ url }) => url));
  let url =
    pages.length === 0
      ? firstUrl(resourceUrl(config, resource.path, askFrom), config.pagination)
      : pages.at(-1)!.nextUrl;
  while (url !== null) {
    signal?.throwIfAborted();
    if (asked.has(url) || pages.length === MAX_PAGES) throw endless(resource, url, pages.length);
    asked.add(url);
    const fetchedAt = new Date();
    const former =
      config.pagination.type === 'none' && resource.cursor === undefined && options.force !== true
        ? await formerPage(database, key)
        : undefined;
    const page = await landPage({ api, store, secrets, resource, url, former, number: pages.length + 1 });
    refuseRepetition(resource, pages.at(-1), page);
    await failpoint('http.page-landed');
    await addPage(database, extractId, page, fetchedAt);
    await failpoint('http.page-recorded');
    pages.push(page);
    options.onProgress?.({
      pages: pages.length,
      rows: pages.reduce((sum, { rows }) => sum + rows, 0),
      bytes: pages.reduce((sum, { bytes }) => sum + bytes, 0),
    });
    url = page.nextUrl;
  }
  return pages;
}

interface PageToLand {
  readonly api: Api;
  readonly store: ArtifactStore;
  readonly secrets: Secrets;
  readonly resource: ResourceConfig;
  readonly url: string;
  /** What the same URL answered before, where it need not be sent again. */
  readonly former: LandedPage | undefined;
  readonly number: number;
}

async function landPage(work: PageToLand): Promise<LandedPage> {
  const { api, store, resource, url, number } = work;
  const former = work.former?.sha256 != null && (await store.has(work.former.sha256)) ? work.former : undefined;
  try {
    const { answer, page } = await api.get(url, conditionsOf(former), (received) => ({
      answer: received,
      page: received.status === 304 ? undefined : pageOf(work, received),
    }));
    if (page === undefined) return { ...former!, page: number, url };
    const content = page.records.map((record) => `${record}\n`).join('');
    const stored: ArtifactRef | undefined = content === '' ? undefined : await store.put(Buffer.from(content));
    const next = nextUrl(url, page, headerOf(answer, 'link'), resource.http!.pagination);
    return {
      page: number,
      url,
      sha256: stored?.sha256 ?? null,
      bytes: stored?.bytes ?? 0,
      rows: page.records.length,
      nextUrl: next === undefined ? null : api.withoutSecrets(next),
      etag: headerOf(answer, 'etag') ?? null,
      lastModified: headerOf(answer, 'last-modified') ?? null,
      ...cursorsOf(resource.cursor, page.records),
    };
  } catch (error) {
    throw ofResource(error, resource, number);
  }
}

function conditionsOf(former: LandedPage | undefined): Record<string, string> {
  return {
    ...(former?.etag == null ? {} : { 'if-none-match': former.etag }),
    ...(former?.lastModified == null ? {} : { 'if-modified-since': former.lastModified }),
  };
}

function pageOf({ secrets, resource, url }: PageToLand, answer: Answer): Page {
  const { origin, pathname } = new URL(url);
  return readPage(
    {
      body: answer.body,
      contentType: headerOf(answer, 'content-type'),
      shownUrl: `${origin}${pathname}`,
      redact: (text) => secrets.redact(text),
    },
    resource.http!.records,
  );
}

function headerOf({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function cursorsOf(
  cursor: CursorConfig | undefined,
  records: readonly string[],
): Pick<LandedPage, 'cursorMax' | 'cursorMissing'> {
  let cursorMax: string | null = null;
  let cursorMissing = 0;
  if (cursor !== undefined)
    for (const record of records) {
      const found = jsonMembers(record).find(({ key }) => key === cursor.field);
      const value = found?.kind === 'string' ? text(found.source) : (found?.source ?? 'null');
      if (cursorOrder(cursor.type, value) === undefined) cursorMissing++;
      else cursorMax = laterCursor(cursor.type, cursorMax, value);
    }
  return { cursorMax, cursorMissing };
}

/** Where a resource is asked, with the parameters that are no secrets. @param askFrom the cursor to ask from */
export function resourceUrl(config: HttpRequestConfig, path: string, askFrom?: string): URL {
  const url = new URL(`${config.url}${path}`);
  for (const [name, value] of Object.entries(config.params)) if (!isReference(value)) url.searchParams.set(name, value);
  if (askFrom !== undefined && config.cursorParam !== undefined) url.searchParams.set(config.cursorParam, askFrom);
  return url;
}

function addObject(
  options: HttpExtractOptions,
  object: ArtifactRef,
  askFrom: string | undefined,
  number: number,
): Promise<ExtractedObject> {
  const { path, http } = options.resource;
  return addRawObject(
    options,
    `${path}${askFrom === undefined ? '' : `?${http!.cursorParam}=${askFrom}`}#${number}`,
    object,
  );
}

/** A server that does not know the parameter sends its first page again and again. */
function refuseRepetition(resource: ResourceConfig, before: LandedPage | undefined, page: LandedPage): void {
  if (page.sha256 === null || page.sha256 !== before?.sha256) return;
  throw new TerminalError(
    'ELT_HTTP_PAGINATION',
    `Reading ${resource.id} stopped: page ${page.page} has the same records as page ${before.page}.`,
    { at: resource.at, next: 'Correct `pagination`: the server seems not to know its parameter.' },
  );
}

function endless(resource: ResourceConfig, url: string, pages: number): TerminalError {
  const { origin, pathname } = new URL(url);
  const why = pages === MAX_PAGES ? `it has more than ${MAX_PAGES} pages` : `page ${pages} leads back to one before it`;
  return new TerminalError('ELT_HTTP_PAGINATION', `Reading ${origin}${pathname} of ${resource.id} stopped: ${why}.`, {
    at: resource.at,
    next: 'Correct `pagination` in plumbline.yaml.',
  });
}

function emptySource(resource: ResourceConfig, pages: readonly LandedPage[]): TerminalError {
  return new TerminalError(
    'ELT_SOURCE_EMPTY',
    `Reading ${resource.id} gave no rows in ${pages.length} ${pages.length === 1 ? 'page' : 'pages'}; expected some.`,
    { at: resource.at, next: 'If the table may become empty, set `allow_empty: true`. It keeps its former rows.' },
  );
}

function cursorless({ id, at }: ResourceConfig, { field, type }: CursorConfig, rows: number): TerminalError {
  const expected = type === 'integer' ? 'whole numbers' : 'times such as 2024-01-01T00:00:00Z';
  return new TerminalError('ELT_CURSOR_MISSING', `Reading ${id} failed: none of its ${rows} rows has a cursor in ${JSON.stringify(field)}; expected ${expected}.`, {
    at,
    details: { field, rows },
    next: 'Correct `cursor.field` or `cursor.type`.',
  }); // prettier-ignore
}

/** The same error, with the resource and its place in plumbline.yaml. */
function ofResource(error: unknown, { id, at }: ResourceConfig, page: number): unknown {
  if (!(error instanceof TerminalError || error instanceof TransientError)) return error;
  const { code, message, details, next, cause }: PipelineError = error;
  const context = { at, details: { ...details, resource: id, page }, ...(next === undefined ? {} : { next }), cause };
  const text = `Page ${page} of ${id}: ${message}`;
  return error instanceof TerminalError
    ? new TerminalError(code, text, context)
    : new TransientError(code, text, context);
}
