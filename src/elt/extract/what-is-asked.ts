import type { ResourceConfig } from '../../model/project.js';
import { resourceUrl } from './extract-http.js';

/** The first request of a resource, for `plan`: `asks https://api.example.org/orders?limit=100, page by page`. Asks nobody. */
export function whatIsAsked({ http, path }: ResourceConfig): string {
  const pages = http!.pagination.type === 'none' ? 'in one page' : `page by page (${http!.pagination.type})`;
  return `asks ${resourceUrl(http!, path).href}, ${pages}`;
}
