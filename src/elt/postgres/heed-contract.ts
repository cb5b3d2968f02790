import { TerminalError } from '../../errors.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { contractOf } from '../schema/contract.js';
import { identifier } from '../../model/sql-identifier.js';
import { namedColumns, type RowCheck, type SourceDescription } from './describe-source.js';
import { fitColumn, mapColumn } from './source-types.js';

/**
 * A source as far as the contract lets it into its table, and what is to be asked of its rows. Throws `ELT_CONTRACT` (terminal) when the table is not there, when a column is
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
  const { tables, columns } = contractOf(resource);
  // A database says the types of its columns, so that they are not kept unless that is asked for.
  const types = resource.contract.types ?? 'evolve';
  const refuse = (what: string, part: string, next: string): TerminalError =>
    new TerminalError(
      'ELT_CONTRACT',
      `Loading ${resource.id} from ${resource.path} failed: ${what}, and \`contract.${part}\` is freeze.`,
      { at: resource.at, next },
    );
  const fitted = (given: SourceDescription): SourceDescription =>
    types === 'discard_row' || types === 'discard_value' ? fitTypes(given, resource, existing, types) : given;
  if (existing === undefined) {
    if (tables === 'freeze')
      throw refuse(`there is no table ${resource.table} yet`, 'tables', 'Correct the name of the source, or set `contract: {tables: evolve}` for the first load.'); // prettier-ignore
    return fitted(description);
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
  const names = columns === 'evolve' ? [] : added.map(({ name }) => name);
  const { description: wanted, unwanted } = without(description, new Set(names));
  const own = fitted(wanted);
  if (unwanted.length === 0) return own;
  return columns === 'discard_row' ? forbid(own, unwanted) : { ...own, unwanted };
}

interface LeftOut {
  readonly description: SourceDescription;
  /** With their values as SQL over q. */
  readonly unwanted: readonly { readonly name: string; readonly value: string }[];
}

function without(description: SourceDescription, names: ReadonlySet<string>): LeftOut {
  const { columns, given, values } = description;
  const isWanted = columns.map(({ name }) => !names.has(name));
  const wanted = <T>(all: readonly T[]): T[] => all.filter((_, index) => isWanted[index]);
  return {
    description: { ...description, columns: wanted(columns), given: wanted(given), values: wanted(values) },
    unwanted: columns.flatMap(({ name }, index) => (names.has(name) ? [{ name, value: values[index]! }] : [])),
  };
}

/** Rows with a value in one of these columns are quarantined. */
function forbid(description: SourceDescription, unwanted: LeftOut['unwanted']): SourceDescription {
  const check = description.check ?? { columns: new Map(), misfits: 'discard_row' };
  return {
    ...description,
    values: [...description.values, ...unwanted.map(({ value }) => value)],
    check: { ...check, foreign: unwanted.map(({ name }) => name) },
  };
}

/** Columns as they are declared, or as the table has them; values that these may not hold are checked one by one. */
function fitTypes(
  description: SourceDescription,
  resource: ResourceConfig,
  existing: ReadonlyMap<string, ColumnType> | undefined,
  misfits: RowCheck['misfits'],
): SourceDescription {
  const { columns, given } = description;
  const types = columns.map(({ name, type }) => resource.columns[name] ?? existing?.get(name) ?? type);
  const fits = given.map((column, index) => fitColumn(column, `q.${identifier(column.name)}`, types[index]!));
  const checked = new Map(
    columns.flatMap(({ name }, index) =>
      fits[index]!.isChecked ? [[name, mapColumn(given[index]!, '', undefined).type] as const] : [],
    ),
  );
  const key = resource.primaryKey.find((name) => checked.has(name));
  if (key !== undefined && resource.postgres!.reconciles === true)
    throw new TerminalError(
      'ELT_CONTRACT',
      `Loading ${resource.id} from ${resource.path} failed: its key column ${quoted([key])} is ${checked.get(key)!}, and ${types[columns.findIndex(({ name }) => name === key)]!} in the table; \`deletes: reconcile\` compares keys of one type.`,
      { at: resource.at, next: 'Read it with a `query` that casts the column, or set `contract: {types: evolve}`.' },
    );
  const fitted = {
    ...description,
    columns: columns.map((column, index) => ({ ...column, type: types[index]! })),
    values: fits.map(({ sql }) => sql),
  };
  if (checked.size === 0) return fitted;
  // '1' and '01' are two texts and one number.
  return {
    ...fitted,
    keyIsProven: description.keyIsProven && key === undefined,
    check: { columns: checked, misfits, foreign: [] },
  };
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
