import { TerminalError } from '../../errors.js';
import type { HttpPagination } from '../../model/project.js';
import { text } from '../read/ndjson-line.js';
import type { Page } from './read-page.js';

/** Where a page is. */
export interface PagePlace {
  readonly url: string;
  /** What the body has at the keys of the pagination, as JSON text; absent where nothing moves in it. */
  readonly at?: string | undefined;
}

/** The place of the first page: `url`, or the body, with where the pagination starts. */
export function firstPage(url: string, pagination: HttpPagination): PagePlace {
  if (pagination.type !== 'page' && pagination.type !== 'offset') return { url };
  return moved({ url }, pagination.param, String(pagination.start));
}

/**
 * The place of the page behind `here`, undefined behind the last one. `page` and `offset` end at the first page without
 * records, because a server may send fewer than were asked for; an offset grows by the records that came.
 * Throws `ELT_HTTP_PAGINATION` (terminal) for an address that leads to another server, and for a page that says that there is more
 * without saying where.
 */
export function nextPage(
  here: PagePlace,
  page: Page,
  link: string | undefined,
  pagination: HttpPagination,
): PagePlace | undefined {
  switch (pagination.type) {
    case 'none':
      return undefined;
    case 'page':
    case 'offset': {
      if (page.records.length === 0) return undefined;
      const { param, start, type } = pagination;
      const at = typeof param === 'string' ? new URL(here.url).searchParams.get(param) : here.at;
      return moved(here, param, String(BigInt(at ?? start) + BigInt(type === 'page' ? 1 : page.records.length)));
    }
    case 'cursor': {
      const { param, token, hasMore } = pagination;
      if (hasMore !== undefined && page.jsonAt(hasMore) === undefined) return undefined;
      // A parameter is a text or a number, which valueAt makes sure of; a body takes any value.
      const next = typeof param === 'string' ? quoted(page.valueAt(token)) : page.jsonAt(token);
      if (next === undefined && hasMore !== undefined) throw withoutToken(here.url, hasMore, token);
      return next === undefined ? undefined : moved(here, param, next);
    }
    case 'link':
      return elsewhere(here, nextLink(link));
    case 'next_url':
      return elsewhere(here, page.valueAt(pagination.url));
  }
}

function quoted(value: string | undefined): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

/** The same place with another value (JSON text) of what moves from page to page. */
function moved(here: PagePlace, param: string | readonly string[], at: string): PagePlace {
  if (typeof param !== 'string') return { ...here, at };
  const next = new URL(here.url);
  next.searchParams.set(param, at.startsWith('"') ? text(at) : at);
  return { url: next.href };
}

/** The target of `rel="next"` in a Link header (RFC 8288). */
export function nextLink(header: string | undefined): string | undefined {
  for (const [, target, parameters] of (header ?? '').matchAll(
    /<([^>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)/g,
  )) {
    const relation = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]+))/i.exec(parameters ?? '');
    if ((relation?.[1] ?? relation?.[2] ?? '').toLowerCase().split(/\s+/).includes('next')) return target;
  }
  return undefined;
}

/** Credentials go where plumbline.yaml says, not where an answer says. */
function elsewhere({ url }: PagePlace, next: string | undefined): PagePlace | undefined {
  if (next === undefined) return undefined;
  const here = new URL(url);
  const target = URL.canParse(next, url) ? new URL(next, url) : undefined;
  if (target?.origin === here.origin) return { url: target.href };
  throw new TerminalError(
    'ELT_HTTP_PAGINATION',
    `Reading ${here.origin}${here.pathname} failed: its next page is at ${target === undefined ? JSON.stringify(next.slice(0, 80)) : target.origin}; expected an address at ${here.origin}.`,
    { next: 'Set `url` of the source to where the pages are.' },
  );
}

function withoutToken(url: string, hasMore: readonly string[], token: readonly string[]): TerminalError {
  const { origin, pathname } = new URL(url);
  return new TerminalError(
    'ELT_HTTP_PAGINATION',
    `Reading ${origin}${pathname} failed: ${hasMore.join('.')} says that there is a further page, and ${token.join('.')} does not say which; expected a token there.`,
    { next: 'Correct `pagination.token` and `pagination.has_more` in plumbline.yaml.' },
  );
}
