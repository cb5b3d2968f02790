import type { Project, ResourceConfig } from '../../model/project.js';
import { compileQuery, type CompiledQuery } from './compile-query.js';

/** The SELECT that gives the rows which an API is asked for one by one; undefined for a resource that is not. Throws what `compileQuery` throws. */
export function compileParents(
  project: Pick<Project, 'schemas' | 'transforms' | 'resources' | 'vars' | 'macros'>,
  resource: ResourceConfig,
): CompiledQuery | undefined {
  const forEach = resource.http?.forEach;
  return forEach === undefined ? undefined : compileQuery(project, resource, forEach.query, 'the rows');
}
