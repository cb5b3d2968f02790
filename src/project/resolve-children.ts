import { childTables } from '../model/child-tables.js';
import type { ChildConfig, ResourceConfig } from '../model/project.js';
import type { Path } from './located-yaml.js';
import { resolveColumns } from './resolve-columns.js';
import { refuser, type ResourcePlace, type ResourceScope } from './resource-place.js';
import type { ResourceKeysYaml } from './schema/resource-keys.js';

type Parent = Pick<ResourceConfig, 'primaryKey' | 'merge' | 'columns'>;

/** The child tables of a resource as far as there are any; what is wrong with them is reported. */
export function resolveChildren(
  place: ResourcePlace<ResourceKeysYaml>,
  scope: ResourceScope,
  parent: Parent,
): Pick<ResourceConfig, 'children'> {
  if (place.given.children === undefined) return {};
  const keeps = parent.merge?.strategy === 'scd2';
  const named = (path: string, table: string): void =>
    scope.applied(`${place.path.join('.')}.children.${path}.table = ${table}`);
  const children = childConfigs(place.given.children, place.table, { path: '', keeps, named });
  refuseWrong({ children }, place, scope, parent);
  return { children };
}

interface ChildYaml {
  readonly table?: string | undefined;
  readonly columns?: Readonly<Record<string, string>> | undefined;
  readonly keep?: boolean | undefined;
  readonly children?: ChildrenYaml | undefined;
}
type ChildrenYaml = string | readonly string[] | Readonly<Record<string, ChildYaml | null>>;

function childConfigs(
  given: ChildrenYaml,
  parentTable: string,
  of: {
    /** Columns that lead there, each with a dot behind it. */
    readonly path: string;
    /** What changed of a row is told from all of its columns, so they stay. */
    readonly keeps: boolean;
    /** Takes the names that nobody has given. */
    readonly named: (path: string, table: string) => void;
  },
): ChildConfig[] {
  const settings: readonly (readonly [string, ChildYaml | null])[] =
    typeof given === 'string' || Array.isArray(given)
      ? [given].flat().map((field) => [field as string, null] as const)
      : Object.entries(given as Readonly<Record<string, ChildYaml | null>>);
  return settings.map(([field, child]) => {
    const table = child?.table ?? `${parentTable}_${tablePart(field)}`;
    const path = `${of.path}${field}`;
    if (child?.table === undefined) of.named(path, table);
    return {
      field,
      table,
      columns: resolveColumns(child?.columns),
      ...((child?.keep ?? of.keeps) && { keepsColumn: true as const }),
      ...(child?.children !== undefined && {
        children: childConfigs(child.children, table, { ...of, path: `${path}.`, keeps: false }),
      }),
    };
  });
}

/** `lineItems` and `Line Items` are `line_items`. */
function tablePart(field: string): string {
  return field
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
}

function refuseWrong(
  of: Pick<ResourceConfig, 'children'>,
  place: ResourcePlace<ResourceKeysYaml>,
  scope: ResourceScope,
  { primaryKey, merge, columns }: Parent,
): void {
  const refuse = refuser(place, scope);
  const name = place.path.join('.');
  const isMapping = typeof place.given.children === 'object' && !Array.isArray(place.given.children);
  const taken = [...primaryKey, ...(merge?.key ?? []), ...(merge?.hardDelete === undefined ? [] : [merge.hardDelete])];
  for (const { field, table, path, parent, keepsColumn } of childTables(of)) {
    const keys = path.split('.');
    const at: Path = isMapping ? ['children', ...keys.slice(0, 1)] : ['children'];
    const declared = parent === undefined ? columns[field] : parent.columns[field];
    if (!/^[a-z][a-z0-9_]{0,49}$/.test(table))
      refuse({
        code: 'PROJECT_NAME_TOO_LONG',
        message: `the child table of ${name}.${path} would be called ${JSON.stringify(table)}, expected small letters, digits and _, at most 50.`,
        at,
        part: 'key',
        next: `Give it a name: \`children: { ${field}: { table: … } }\`.`,
      });
    if (parent === undefined && taken.includes(field))
      refuse({
        message: `${name}.children has ${field}, which is a key of the rows or marks deleted ones.`,
        at,
        part: 'key',
        next: 'Take it out.',
      });
    if (declared !== undefined && declared !== 'jsonb')
      refuse({
        message: `${name} declares ${path} as ${declared}, and a column with a child table is jsonb.`,
        at,
        part: 'key',
        next: 'Take it out of `columns`.',
      });
    if (parent === undefined && merge?.strategy === 'scd2' && keepsColumn !== true)
      refuse({
        message: `${name}.children.${field} has keep: false, and scd2 tells from the column whether a row has changed.`,
        at,
        part: 'key',
        next: 'Take `keep` out.',
      });
  }
}
