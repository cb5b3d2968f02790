import { TerminalError } from '../../errors.js';
import type { Project, ResourceConfig } from '../../model/project.js';
import { compileInventory } from './compile-inventory.js';
import { compileParents } from './compile-parents.js';

export interface OrderedResource {
  readonly resource: ResourceConfig;
  /** Ids of the resources that have to be loaded before. */
  readonly after: readonly string[];
}

/**
 * The resources, each behind those that it waits for, else in their order: what its inventory or its `for_each` reads, and the one before it with
 * the same source and inventory, so that their objects are fetched once. Throws `ELT_INVENTORY_CYCLE` and what `compileQuery` throws.
 */
export function orderResources(
  project: Pick<Project, 'schemas' | 'transforms' | 'resources' | 'vars' | 'macros'>,
): OrderedResource[] {
  const lastOfSource = new Map<string, string>();
  const open = project.resources.map((resource): OrderedResource => {
    if (resource.inventory === undefined) return { resource, after: compileParents(project, resource)?.sources ?? [] };
    const { sources } = compileInventory(project, resource);
    const before = lastOfSource.get(`${resource.source} ${resource.path}`);
    lastOfSource.set(`${resource.source} ${resource.path}`, resource.id);
    return { resource, after: [...new Set([...sources, ...(before === undefined ? [] : [before])])].sort() };
  });
  const ordered: OrderedResource[] = [];
  const done = new Set<string>();
  while (ordered.length < open.length) {
    const next = open.find(({ resource, after }) => !done.has(resource.id) && after.every((id) => done.has(id)));
    if (next === undefined) throw cycle(open.filter(({ resource }) => !done.has(resource.id)));
    ordered.push(next);
    done.add(next.resource.id);
  }
  return ordered;
}

function cycle(rest: readonly OrderedResource[]): TerminalError {
  const ids = rest.map(({ resource }) => resource.id);
  return new TerminalError('ELT_INVENTORY_CYCLE', `What ${ids.join(', ')} are asked for is read from each other.`, {
    at: { file: rest[0]!.resource.path },
    details: { resources: ids },
    next: 'Let one of them read tables that are loaded without the others.',
  });
}
