import { nestedColumns } from '../../model/child-tables.js';
import type { ChildConfig, ColumnType } from '../../model/project.js';
import type { LedgerLine } from './ledger.js';

/** Columns of a load that its table gets: those that only child tables are made of are not among them. */
export function readColumns(
  { reader }: Pick<LedgerLine, 'reader'>,
  { children }: { readonly children?: readonly ChildConfig[] },
): Map<string, ColumnType> {
  const nested = nestedColumns(children);
  const columns = reader?.columns.filter(({ name }) => !nested.has(name)) ?? [];
  return new Map(columns.map(({ name, type }) => [name, type]));
}
