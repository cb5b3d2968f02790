import { PipelineError, TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import type { Database } from '../../model/database.js';
import type { CursorConfig, ResourceConfig } from '../../model/project.js';
import { cursorOrder, laterCursor } from '../cursor/cursor-value.js';
import type { Answer, Api, PageRequest } from '../http/api.js';
import { firstPage, nextPage, type PagePlace } from '../http/next-page.js';
import { readPage, type Page } from '../http/read-page.js';
import type { Secrets } from '../http/secrets.js';
import { withValueAt } from '../http/with-value-at.js';
import { jsonMembers, text } from '../read/ndjson-line.js';
import { addPage, type LandedPage } from './extract-progress.js';

export interface PagesToLand {
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly api: Api;
  readonly secrets: Secrets;
  readonly resource: ResourceConfig;
  readonly extractId: string;
  /** What is asked, before its pagination. */
  readonly request: PageRequest;
  /** Those that are landed, in their order. */
  readonly landed: readonly LandedPage[];
  /** The row that the pages are asked for. */
  readonly parent?: {
    /** From 1. */
    readonly place: number;
    /** What is added to each record: name → JSON text. */
    readonly columns: ReadonlyMap<string, string>;
  };
  /** What the only page of a resource was before, where it need not be sent again. */
  readonly formerPage?: () => Promise<LandedPage | undefined>;
  readonly signal?: AbortSignal | undefined;
  readonly onPage?: (page: LandedPage) => void;
}

/** A server that never stops is not asked for ever. */
const MAX_PAGES = 100_000;

/**
 * Asks page by page, behind those that are landed, and gives all of them. Each has a line in plumbline.raw_pages; that of the last one
 * completes the extract, unless it is asked for rows one by one.
 */
export async function landPages(work: PagesToLand): Promise<LandedPage[]> {
  const { database, resource, extractId, parent, signal } = work;
  const pages = [...work.landed];
  const asked = new Set<string>();
  let place: PagePlace | undefined = firstPage(work.request.url, resource.http!.pagination);
  for (const page of pages) {
    asked.add(keyOf(place!));
    place = placeBehind(page);
  }
  while (place !== undefined) {
    signal?.throwIfAborted();
    if (asked.has(keyOf(place)) || pages.length === MAX_PAGES) throw endless(resource, place.url, pages.length);
    asked.add(keyOf(place));
    const fetchedAt = new Date();
    const page = await landPage({ ...work, place, former: await work.formerPage?.(), number: pages.length + 1 });
    refuseRepetition(resource, pages.at(-1), page);
    await failpoint('http.page-landed');
    await addPage(database, extractId, page, fetchedAt, parent === undefined && page.nextUrl === null);
    await failpoint('http.page-recorded');
    // Bodies of many pages would fill the memory.
    const { body: _sent, ...kept } = page;
    pages.push(kept);
    work.onPage?.(kept);
    place = placeBehind(page);
  }
  return pages;
}

function keyOf({ url, at }: PagePlace): string {
  return at === undefined ? url : `${url} ${at}`;
}

function placeBehind({ nextUrl, nextAt }: LandedPage): PagePlace | undefined {
  return nextUrl === null ? undefined : { url: nextUrl, ...(nextAt == null ? {} : { at: nextAt }) };
}

interface PageToLand extends PagesToLand {
  readonly place: PagePlace;
  readonly former: LandedPage | undefined;
  readonly number: number;
}

async function landPage(work: PageToLand): Promise<LandedPage> {
  const { api, store, resource, number, place } = work;
  const { url } = place;
  const body = bodyAt(work);
  const former = work.former?.sha256 != null && (await store.has(work.former.sha256)) ? work.former : undefined;
  try {
    const { answer, page } = await api.ask({ url, body }, conditionsOf(former), (received) => ({
      answer: received,
      page: received.status === 304 ? undefined : pageOf(work, received),
    }));
    if (page === undefined) return { ...former!, page: number, url };
    const content = page.records.map((record) => `${withColumns(record, work)}\n`).join('');
    const stored: ArtifactRef | undefined = content === '' ? undefined : await store.put(Buffer.from(content));
    const next = nextPage(place, page, headerOf(answer, 'link'), resource.http!.pagination);
    return {
      ...placeOf(work),
      page: number,
      url,
      body,
      sha256: stored?.sha256 ?? null,
      bytes: stored?.bytes ?? 0,
      rows: page.records.length,
      nextUrl: next === undefined ? null : api.withoutSecrets(next.url),
      nextAt: next?.at ?? null,
      etag: headerOf(answer, 'etag') ?? null,
      lastModified: headerOf(answer, 'last-modified') ?? null,
      ...cursorsOf(resource.cursor, page.records),
    };
  } catch (error) {
    if (isMissing(error) && number === 1 && resource.http!.forEach?.missing === 'ignore')
      return { ...placeOf(work), ...NOTHING, page: number, url, body, missing: error.details['status'] as number };
    throw ofResource(error, work);
  }
}

/** What is sent for the page: what moves from page to page put into it. */
function bodyAt({ request, place, resource }: PageToLand): string | undefined {
  const { pagination } = resource.http!;
  if (request.body === undefined || place.at === undefined || !('param' in pagination)) return request.body;
  return withValueAt(request.body, [pagination.param].flat(), place.at);
}

const NOTHING = { sha256: null, bytes: 0, rows: 0, nextUrl: null, etag: null, lastModified: null, cursorMax: null, cursorMissing: 0 }; // prettier-ignore

function placeOf({ parent }: PagesToLand): Pick<LandedPage, 'parent'> {
  return parent === undefined ? {} : { parent: parent.place };
}

function isMissing(error: unknown): error is TerminalError {
  return error instanceof TerminalError && [404, 410].includes(error.details['status'] as number);
}

/** The record with the columns of the row that it was asked for in front. Throws `ELT_HTTP_RECORDS` when it has one of them itself. */
function withColumns(record: string, { parent, resource, place }: PageToLand): string {
  if (parent === undefined || parent.columns.size === 0) return record;
  const members = jsonMembers(record);
  const taken = members.find(({ key }) => parent.columns.has(key));
  if (taken !== undefined) {
    const { origin, pathname } = new URL(place.url);
    throw new TerminalError('ELT_HTTP_RECORDS', `Reading ${origin}${pathname} failed: its records have a key ${JSON.stringify(taken.key)}, which \`for_each.columns\` adds to them; expected none of that name.`, {
      at: resource.at,
      next: 'Give the column another name.',
    }); // prettier-ignore
  }
  const added = [...parent.columns].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',');
  return `{${added}${members.length === 0 ? '' : ','}${record.slice(1)}`;
}

function conditionsOf(former: LandedPage | undefined): Record<string, string> {
  return {
    ...(former?.etag == null ? {} : { 'if-none-match': former.etag }),
    ...(former?.lastModified == null ? {} : { 'if-modified-since': former.lastModified }),
  };
}

function pageOf({ secrets, resource, place }: PageToLand, answer: Answer): Page {
  const { origin, pathname } = new URL(place.url);
  return readPage(
    {
      body: answer.body,
      contentType: headerOf(answer, 'content-type'),
      shownUrl: `${origin}${pathname}`,
      redact: (text) => secrets.redact(text),
    },
    resource.http!,
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

/** The same error, with the resource and its place in plumbline.yaml. */
function ofResource(error: unknown, { resource, number: page }: PageToLand): unknown {
  if (!(error instanceof PipelineError)) return error;
  const { id, at, http } = resource;
  const isSkippable = isMissing(error) && page === 1 && http!.forEach !== undefined;
  const skip = { next: 'If the server has nothing for some rows, set `for_each: { missing: ignore }`.' };
  const details = { ...error.details, resource: id, page };
  return error.prefixed(`Page ${page} of ${id}: `, { at, details, ...(isSkippable && skip) });
}
