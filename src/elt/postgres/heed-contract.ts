import { TerminalError } from '../../errors.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { contractOf } from '../schema/contract.js';
import { namedColumns, type SourceDescription } from './describe-source.js';

/**
 * A source as far as the contract lets it into its table. Throws `ELT_CONTRACT` (terminal) when the table is not there, when a column is
 * new, would go or has another type, and the contract forbids it. Columns that the project file names, and types that it declares, are wanted.
 *
 * @param existing columns of the published table; undefined when there is none
 */
export function heedContract(
  description: SourceDescription,
  resource: ResourceConfig,
  existing: ReadonlyMap<string, ColumnType> | undefined,
): SourceDescription {
  if (resource.contract === undefined) return description;
  const { tables, columns, types } = contractOf(resource);
  const refuse = (what: string, part: string, next: string): TerminalError =>
    new TerminalError(
      'ELT_CONTRACT',
      `Loading ${resource.id} from ${resource.path} failed: ${what}, and \`contract.${part}\` is freeze.`,
      { at: resource.at, next },
    );
  if (existing === undefined) {
    if (tables === 'freeze')
      throw refuse(`there is no table ${resource.table} yet`, 'tables', 'Correct the name of the source, or set `contract: {tables: evolve}` for the first load.'); // prettier-ignore
    return description;
  }
  const named = [...namedColumns(resource), ...(resource.cursor === undefined ? [] : [resource.cursor.field])];
  const added = description.columns.filter(({ name }) => !existing.has(name) && !named.includes(name));
  const gone =
    resource.write === 'replace'
      ? [...existing.keys()].filter((name) => !description.columns.some((column) => column.name === name))
      : [];
  if (columns === 'freeze' && added.length > 0)
    throw refuse(`it has column ${quoted(added.map(({ name }) => name))}, which the table does not have`, 'columns', 'Leave it out with a `query`, declare it under `columns`, or set `contract: {columns: evolve}`.'); // prettier-ignore
  if (columns !== 'evolve' && gone.length > 0)
    throw new TerminalError('ELT_CONTRACT', `Loading ${resource.id} from ${resource.path} failed: it has no column ${quoted(gone)}, which the table has, and \`contract.columns\` is ${columns}.`, {
      at: resource.at,
      next: 'Correct the source, or set `contract: {columns: evolve}`.',
    }); // prettier-ignore
  const changed = description.columns.find(
    ({ name, type }) => existing.has(name) && existing.get(name) !== type && resource.columns[name] === undefined,
  );
  if (types === 'freeze' && changed !== undefined)
    throw refuse(`column ${quoted([changed.name])} is ${changed.type}, and ${existing.get(changed.name)!} in the table`, 'types', `Set \`columns: {${changed.name}: ${existing.get(changed.name)!}}\` to convert it in the source, or \`contract: {types: evolve}\`.`); // prettier-ignore
  return columns === 'discard_value' ? without(description, new Set(added.map(({ name }) => name))) : description;
}

function without(description: SourceDescription, unwanted: ReadonlySet<string>): SourceDescription {
  if (unwanted.size === 0) return description;
  const { columns, values } = description;
  const isWanted = columns.map(({ name }) => !unwanted.has(name));
  return {
    ...description,
    columns: columns.filter((_, index) => isWanted[index]),
    values: values.filter((_, index) => isWanted[index]),
    unwanted: columns.flatMap(({ name }, index) => (isWanted[index] === true ? [] : [{ name, value: values[index]! }])),
  };
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
