import { TerminalError } from '../../errors.js';
import type { HttpPagination } from '../../model/project.js';
import type { Page } from './read-page.js';

/** The URL of the first page: `url` with where the pagination starts. */
export function firstUrl(url: URL, pagination: HttpPagination): string {
  const first = new URL(url);
  if (pagination.type === 'page' || pagination.type === 'offset')
    first.searchParams.set(pagination.param, String(pagination.start));
  return first.href;
}

/**
 * The URL of the page behind `url`, undefined behind the last one. `page` and `offset` end at the first page without
 * records, because a server may send fewer than were asked for; an offset grows by the records that came.
 * Throws `ELT_HTTP_PAGINATION` (terminal) for an address that leads to another server.
 */
export function nextUrl(
  url: string,
  page: Page,
  link: string | undefined,
  pagination: HttpPagination,
): string | undefined {
  switch (pagination.type) {
    case 'none':
      return undefined;
    case 'page':
    case 'offset': {
      if (page.records.length === 0) return undefined;
      const here = BigInt(new URL(url).searchParams.get(pagination.param) ?? pagination.start);
      return withParam(url, pagination.param, here + BigInt(pagination.type === 'page' ? 1 : page.records.length));
    }
    case 'cursor': {
      const token = page.valueAt(pagination.token);
      return token === undefined ? undefined : withParam(url, pagination.param, token);
    }
    case 'link':
      return sameOrigin(url, nextLink(link));
    case 'next_url':
      return sameOrigin(url, page.valueAt(pagination.url));
  }
}

function withParam(url: string, name: string, value: string | bigint): string {
  const next = new URL(url);
  next.searchParams.set(name, String(value));
  return next.href;
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
function sameOrigin(url: string, next: string | undefined): string | undefined {
  if (next === undefined) return undefined;
  const here = new URL(url);
  const target = URL.canParse(next, url) ? new URL(next, url) : undefined;
  if (target?.origin === here.origin) return target.href;
  throw new TerminalError(
    'ELT_HTTP_PAGINATION',
    `Reading ${here.origin}${here.pathname} failed: its next page is at ${target === undefined ? JSON.stringify(next.slice(0, 80)) : target.origin}; expected an address at ${here.origin}.`,
    { next: 'Set `url` of the source to where the pages are.' },
  );
}
