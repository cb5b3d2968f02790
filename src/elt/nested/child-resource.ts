import type { ChildTable } from '../../model/child-tables.js';
import type { ResourceConfig } from '../../model/project.js';

/** A child table as a resource by itself, read with the contract of its parent. */
export function childResource(resource: ResourceConfig, child: ChildTable): ResourceConfig {
  const {
    merge: _merge,
    cursor: _cursor,
    interval: _interval,
    personal: _personal,
    children: _children,
    ...same
  } = resource;
  return {
    ...same,
    id: `${resource.id}.${child.path}`,
    table: child.table,
    format: 'ndjson',
    primaryKey: [],
    columns: child.columns,
    ...(child.children && { children: child.children }),
  };
}
