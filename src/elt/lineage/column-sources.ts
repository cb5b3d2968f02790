import { isTreeNode, itemsOf, type TreeNode, type TreeValue } from './parse-node-tree.js';

/** A column of a table or view: the catalog's numbers. `column` 0 stands for all of them. */
export interface CatalogColumn {
  readonly relation: number;
  readonly column: number;
}

export interface ColumnSources {
  /** For each column that the query gives, in order: the columns from which its values are made. */
  readonly values: readonly (readonly CatalogColumn[])[];
  /** Columns that decide which rows there are: WHERE, JOIN, GROUP BY, HAVING, DISTINCT, ORDER BY with LIMIT. */
  readonly rows: readonly CatalogColumn[];
  /** Functions of the user's own: what they read is not followed. */
  readonly functions: readonly number[];
}

// nodes/parsenodes.h: RTEKind.
const RTE = { relation: 0, subquery: 1, join: 2, function: 3, tableFunction: 4, values: 5, cte: 6, group: 9 } as const;
// nodes/primnodes.h: SubLinkType. The value of these is a condition itself.
const CONDITION_SUBLINKS = new Set([0, 1, 2]);
// access/transam.h: FirstNormalObjectId.
const FIRST_USER_OID = 16_384;

/** A query and those around it, outermost first; `Var.varlevelsup` counts from the end. */
type Scope = readonly TreeNode[];

/** Reads the sources of each column out of an analysed query, a `QUERY` node of `parseNodeTree`. */
export function columnSources(query: TreeNode): ColumnSources {
  const functions = new Set<number>();
  const values = outputs([query]);
  const rows = distinct(conditions([query]));
  visit(query, ({ fields }) => {
    for (const name of ['funcid', 'aggfnoid', 'winfnoid'])
      if (Number(fields.get(name)) >= FIRST_USER_OID) functions.add(Number(fields.get(name)));
  });
  return { values, rows, functions: [...functions] };
}

// A query is asked for again with each use of a column of it. Its node is the key: no two queries share one.
type Outputs = readonly (readonly CatalogColumn[])[];
const known = new WeakMap<TreeNode, Outputs>();

function outputs(scope: Scope): Outputs {
  const query = scope.at(-1)!;
  const found = known.get(query) ?? findOutputs(query, scope).map(distinct);
  known.set(query, found);
  return found;
}

function findOutputs(query: TreeNode, scope: Scope): CatalogColumn[][] {
  const branches = setBranches(query);
  if (branches.length > 0) {
    // UNION and its like: the columns of all branches, by position.
    const all = branches.map((branch) => outputs([...scope, branch]));
    return all[0]!.map((_, index) => all.flatMap((columns) => columns[index] ?? []));
  }
  return targets(query).map((target) => collect(target.fields.get('expr'), scope));
}

function targets(query: TreeNode): TreeNode[] {
  return nodesOf(query, 'targetList').filter(({ fields }) => fields.get('resjunk') === 'false');
}

/** The queries that a set operation puts together, from left to right; none when it is no set operation. */
function setBranches(query: TreeNode): TreeNode[] {
  const branches: TreeNode[] = [];
  visit(query.fields.get('setOperations'), ({ type, fields }) => {
    if (type === 'RANGETBLREF')
      branches.push(rangeEntry(query, fields.get('rtindex')).fields.get('subquery') as TreeNode);
  });
  return branches;
}

/** All columns of which an expression is made. */
function collect(value: TreeValue, scope: Scope): CatalogColumn[] {
  if (!isTreeNode(value)) return itemsOf(value).flatMap((item) => collect(item, scope));
  const { type, fields } = value;
  if (type === 'VAR') return resolve(value, scope);
  if (type === 'QUERY') return outputs([...scope, value]).flat();
  if (type === 'SUBLINK') {
    const inner = [...scope, fields.get('subselect') as TreeNode];
    const made = CONDITION_SUBLINKS.has(Number(fields.get('subLinkType'))) ? conditions(inner) : outputs(inner).flat();
    return [...collect(fields.get('testexpr'), scope), ...made];
  }
  const parts = [...fields.values()].flatMap((part) => collect(part, scope));
  return type === 'WINDOWFUNC' ? [...parts, ...windowColumns(value, scope)] : parts;
}

/** PARTITION BY and ORDER BY of the window make the value too. */
function windowColumns({ fields }: TreeNode, scope: Scope): CatalogColumn[] {
  const query = scope.at(-1)!;
  const window = nodesOf(query, 'windowClause').find((one) => one.fields.get('winref') === fields.get('winref'));
  if (window === undefined) return [];
  return [...sorted(window, 'partitionClause', scope), ...sorted(window, 'orderClause', scope)];
}

function resolve({ fields }: TreeNode, scope: Scope): CatalogColumn[] {
  const own = scope.slice(0, scope.length - Number(fields.get('varlevelsup')));
  const entry = rangeEntry(own.at(-1)!, fields.get('varno'));
  const column = Number(fields.get('varattno'));
  // A column by its number; 0 is the whole row.
  const pick = <T>(all: readonly T[]): readonly T[] => (column === 0 ? all : all.slice(column - 1, column));
  switch (Number(entry.fields.get('rtekind'))) {
    case RTE.relation:
      return column < 0 ? [] : [{ relation: Number(entry.fields.get('relid')), column }];
    case RTE.subquery:
      return pick(outputs([...own, entry.fields.get('subquery') as TreeNode])).flat();
    case RTE.join:
      return pick(itemsOf(entry.fields.get('joinaliasvars'))).flatMap((one) => collect(one, own));
    case RTE.group:
      return pick(itemsOf(entry.fields.get('groupexprs'))).flatMap((one) => collect(one, own));
    case RTE.function:
      return collect(entry.fields.get('functions'), own);
    case RTE.tableFunction:
      return collect(entry.fields.get('tablefunc'), own);
    case RTE.values:
      return itemsOf(entry.fields.get('values_lists')).flatMap((row) =>
        pick(itemsOf(row)).flatMap((one) => collect(one, own)),
      );
    case RTE.cte:
      return pick(cteOutputs(entry, own)).flat();
    default:
      return [];
  }
}

function cteOutputs(entry: TreeNode, scope: Scope): Outputs {
  const owners = scope.slice(0, scope.length - Number(entry.fields.get('ctelevelsup')));
  const named = nodesOf(owners.at(-1)!, 'cteList').find(
    ({ fields }) => fields.get('ctename') === entry.fields.get('ctename'),
  );
  const query = named?.fields.get('ctequery') as TreeNode;
  const inner = [...owners, query];
  return named?.fields.get('cterecursive') === 'true' && !known.has(query) ? recursiveOutputs(inner) : outputs(inner);
}

/** It reads itself: from nothing on, what is found is put in until no more is found. */
function recursiveOutputs(scope: Scope): Outputs {
  const query = scope.at(-1)!;
  let found: Outputs = [];
  for (let before = -1; before < found.flat().length;) {
    before = found.flat().length;
    visit(query, (node) => known.delete(node));
    known.set(query, found);
    found = findOutputs(query, scope).map(distinct);
  }
  known.set(query, found);
  return found;
}

/** Columns that decide which rows a query gives, those of the queries in it included. */
function conditions(scope: Scope): CatalogColumn[] {
  const query = scope.at(-1)!;
  const { fields } = query;
  const own = [
    ...collect(fields.get('jointree'), scope),
    ...collect(fields.get('havingQual'), scope),
    ...sorted(query, 'groupClause', scope),
    ...sorted(query, 'distinctClause', scope),
    ...(fields.get('limitCount') === undefined ? [] : sorted(query, 'sortClause', scope)),
  ];
  const inner = nodesOf(query, 'rtable').flatMap((entry) => nodeOf(entry, 'subquery'));
  const named = nodesOf(query, 'cteList')
    .filter((cte) => cte.fields.get('cterefcount') !== '0')
    .flatMap((cte) => nodeOf(cte, 'ctequery'));
  return [...own, ...[...inner, ...named].flatMap((one) => conditions([...scope, one]))];
}

/** The columns that a sort or group clause names, each through its entry in the target list. */
function sorted(holder: TreeNode, clause: string, scope: Scope): CatalogColumn[] {
  const entries = nodesOf(scope.at(-1)!, 'targetList');
  return nodesOf(holder, clause).flatMap(({ fields }) => {
    const target = entries.find((one) => one.fields.get('ressortgroupref') === fields.get('tleSortGroupRef'));
    return target === undefined ? [] : collect(target.fields.get('expr'), scope);
  });
}

function rangeEntry(query: TreeNode, index: TreeValue): TreeNode {
  return nodesOf(query, 'rtable')[Number(index) - 1]!;
}

function nodeOf({ fields }: TreeNode, name: string): TreeNode[] {
  const value = fields.get(name);
  return isTreeNode(value) ? [value] : [];
}

function nodesOf({ fields }: TreeNode, name: string): TreeNode[] {
  return itemsOf(fields.get(name)).filter(isTreeNode);
}

function visit(value: TreeValue, see: (node: TreeNode) => void): void {
  if (isTreeNode(value)) {
    see(value);
    for (const part of value.fields.values()) visit(part, see);
  } else for (const item of itemsOf(value)) visit(item, see);
}

function distinct(columns: readonly CatalogColumn[]): CatalogColumn[] {
  return [...new Map(columns.map((one) => [`${one.relation}.${one.column}`, one])).values()];
}
