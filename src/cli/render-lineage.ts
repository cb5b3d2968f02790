import type { ColumnOrigin } from '../elt/lineage/analyze-columns.js';
import type { Lineage, LineageNode } from '../elt/lineage/lineage-graph.js';
import { pc } from './colors.js';
import { table } from './format.js';
import { printableLine } from './printable.js';

/** One line a node; with its columns below it where they are known. */
export function renderLineage({ nodes }: Lineage): string {
  const hasColumns = nodes.some(({ columns }) => columns !== undefined);
  if (!hasColumns) {
    const rows = nodes.map(({ kind, name, from }) => [kind, name, from.length === 0 ? '' : `← ${from.join(', ')}`]);
    return `${table(rows)}\n`;
  }
  return nodes.map(renderNode).join('');
}

function renderNode({ id, file, from, columns, rows = [], notKnown = [] }: LineageNode): string {
  const isFollowed = columns?.some((column) => column.from.length > 0) === true;
  const made = isFollowed || from.length === 0 ? '' : ` ← ${from.join(', ')}`;
  const title = `${pc.bold(id)}${file === undefined ? '' : pc.dim(`  ${file}`)}${made}`;
  if (columns === undefined) return `${title}\n`;
  const lines = columns.map(({ name, from: origins }) => [
    `  ${name}`,
    origins.length === 0 ? '' : `← ${origins.map(shown).join(', ')}`,
  ]);
  if (rows.length > 0) lines.push([`  (which rows)`, `← ${rows.map(shown).join(', ')}`]);
  const notes = notKnown.map((what) => `  ${pc.yellow('!')} not known: ${what}\n`);
  return `${title}\n${lines.length === 0 ? '' : `${table(lines)}\n`}${notes.join('')}`;
}

/** What a column is made from, as a tree down to the loaded tables, and the columns that are made from it. */
export function renderColumn({ nodes }: Lineage, subject: ColumnOrigin): string {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const originsOf = ({ node, column }: ColumnOrigin): readonly ColumnOrigin[] =>
    known.get(node)?.columns?.find(({ name }) => name === column)?.from ?? [];
  const tree = (origin: ColumnOrigin, depth: number): string[] => [
    `${depth === 0 ? '' : `${'   '.repeat(depth - 1)}└─ `}${shown(origin)}`,
    ...originsOf(origin).flatMap((one) => tree(one, depth + 1)),
  ];
  const users = nodes.flatMap(({ id, columns = [] }) =>
    columns
      .filter(({ from }) => from.some((one) => isSame(one, subject)))
      .map(({ name }) => shown({ node: id, column: name })),
  );
  const deciding = nodes.filter(({ rows = [] }) => rows.some((one) => isSame(one, subject))).map(({ id }) => id);
  const notes = (known.get(subject.node)?.notKnown ?? []).map((what) => `${pc.yellow('!')} not known: ${what}`);
  return `${[
    ...tree(subject, 0),
    ...(users.length === 0 ? [] : [`used for ${users.join(', ')}`]),
    ...(deciding.length === 0 ? [] : [`decides the rows of ${deciding.join(', ')}`]),
    ...notes,
  ].join('\n')}\n`;
}

/** For Markdown and documentation pages: https://mermaid.js.org/syntax/flowchart.html */
export function renderMermaid({ nodes }: Lineage): string {
  const numbers = new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
  const boxes = nodes.map((node) => {
    const number = numbers.get(node.id)!;
    if (node.columns === undefined || node.columns.length === 0) return `  ${number}${box(node)}`;
    const columns = node.columns.map(({ name }, index) => `    ${number}_${index}["${escape(name)}"]`);
    return [`  subgraph ${number}["${escape(node.id)}"]`, ...columns, '  end'].join('\n');
  });
  const columnNumber = ({ node, column }: ColumnOrigin): string | undefined => {
    const index = nodes.find(({ id }) => id === node)?.columns?.findIndex(({ name }) => name === column) ?? -1;
    return index < 0 ? undefined : `${numbers.get(node)}_${index}`;
  };
  const edges = nodes.flatMap(({ id, from, columns = [] }) => {
    const links = columns.flatMap(({ name, from: origins }) =>
      origins.map((origin) => [columnNumber(origin), columnNumber({ node: id, column: name })]),
    );
    const whole = from.map((one) => [numbers.get(one), numbers.get(id)]);
    return (links.length > 0 ? links : whole).filter(([left]) => left !== undefined);
  });
  return ['flowchart LR', ...boxes, ...edges.map(([from, to]) => `  ${from} --> ${to}`), ''].join('\n');
}

function box({ kind, name }: LineageNode): string {
  const text = `"${escape(kind === 'transform' ? name : `${kind} ${name}`)}"`;
  if (kind === 'object') return `[/"${escape(name)}"/]`;
  if (kind === 'source' || kind === 'seed') return `[(${text})]`;
  return kind === 'model' ? `{{${text}}}` : `[${text}]`;
}

/** As an entity what would end the text, or is Markdown, HTML or an entity in it: https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters */
function escape(text: string): string {
  return printableLine(text).replace(/["#&<>`\\]/g, (character) => `#${character.charCodeAt(0)};`);
}

function shown({ node, column }: ColumnOrigin): string {
  return `${node}.${printableLine(column)}`;
}

function isSame(one: ColumnOrigin, other: ColumnOrigin): boolean {
  return one.node === other.node && one.column === other.column;
}
