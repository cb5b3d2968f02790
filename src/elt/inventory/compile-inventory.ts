import type { Project, ResourceConfig } from '../../model/project.js';
import { compileQuery, type CompiledQuery } from './compile-query.js';

/** The SELECT that names a resource's objects. Throws what `compileQuery` throws. */
export function compileInventory(
  project: Pick<Project, 'schemas' | 'transforms' | 'resources' | 'vars' | 'macros'>,
  resource: ResourceConfig,
): CompiledQuery {
  return compileQuery(project, resource, resource.inventory!.query, 'the objects');
}
