import type { ChildConfig, ResourceConfig } from './project.js';

/** A child table of a resource, at whatever depth. */
export interface ChildTable extends ChildConfig {
  /** Among all child tables of the resource, from 1: a parent comes before its own children. */
  readonly position: number;
  /** The table that has the column; undefined where that is the resource's own. */
  readonly parent?: ChildTable;
  /** Columns that lead to it: `lines.taxes`. */
  readonly path: string;
}

/** The child tables of a resource, each after the one whose column it is made of. */
export function childTables({ children }: Pick<ResourceConfig, 'children'>): ChildTable[] {
  const tables: ChildTable[] = [];
  const add = (configs: readonly ChildConfig[] = [], parent?: ChildTable): void => {
    for (const config of configs) {
      const path = parent === undefined ? config.field : `${parent.path}.${config.field}`;
      const table = { ...config, position: tables.length + 1, path, ...(parent && { parent }) };
      tables.push(table);
      add(config.children, table);
    }
  };
  add(children);
  return tables;
}

/** Columns of a table that its child tables take the place of. */
export function nestedColumns(children: readonly ChildConfig[] = []): ReadonlySet<string> {
  return new Set(children.filter(({ keepsColumn }) => keepsColumn !== true).map(({ field }) => field));
}
