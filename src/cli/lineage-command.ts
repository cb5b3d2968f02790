import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { TerminalError } from '../errors.js';
import { lineageGraph, withColumns, type Lineage, type LineageNode } from '../elt/lineage/lineage-graph.js';
import type { Project } from '../model/project.js';
import { loadProject } from '../project/load-project.js';
import { compileProject } from './compile-project.js';
import { renderColumn, renderLineage, renderMermaid } from './render-lineage.js';

export interface LineageOptions {
  readonly env: string;
  readonly columns: boolean;
  readonly mermaid: boolean;
  readonly json: boolean;
}

/** `plumbline lineage`. Without columns no database is needed. Throws LINEAGE_NOT_FOUND. */
export async function lineageCommand(subject: string | undefined, options: LineageOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env: options.env });
  compileProject(project);
  const tables = lineageGraph(project);
  const found = subject === undefined ? undefined : find(tables, subject);
  const isWithColumns = options.columns || found?.column !== undefined;
  const whole = isWithColumns ? await addColumns(tables, project, settings) : tables;
  const node = whole.nodes.find(({ id }) => id === found?.node.id);
  const lineage = node === undefined ? whole : around(whole, node);
  if (node !== undefined && found?.column !== undefined) assertColumn(node, found.column);
  if (options.json) process.stdout.write(`${JSON.stringify(lineage, null, 2)}\n`);
  else if (options.mermaid) process.stdout.write(renderMermaid(lineage));
  else if (node !== undefined && found?.column !== undefined)
    process.stdout.write(renderColumn(whole, { node: node.id, column: found.column }));
  else process.stdout.write(renderLineage(lineage));
}

async function addColumns(
  lineage: Lineage,
  project: Project,
  settings: Parameters<typeof connectDatabase>[0],
): Promise<Lineage> {
  const database = connectDatabase(settings, 1);
  try {
    return await database.session((session) => withColumns(lineage, project, session));
  } finally {
    await database.close();
  }
}

/** A name that several have means the first of these. */
const KINDS: readonly LineageNode['kind'][] = [
  'transform',
  'feature view',
  'labels',
  'source',
  'seed',
  'model',
  'training set',
  'object',
];

/** `demand`, `transform demand` or `demand.rides`. */
function find({ nodes }: Lineage, subject: string): { readonly node: LineageNode; readonly column?: string } {
  const named = (name: string): LineageNode | undefined =>
    nodes.find(({ id }) => id === name) ??
    KINDS.flatMap((kind) => nodes.filter((node) => node.kind === kind && node.name === name))[0];
  const whole = named(subject);
  if (whole !== undefined) return { node: whole };
  const dot = subject.lastIndexOf('.');
  const node = dot < 0 ? undefined : named(subject.slice(0, dot));
  if (node !== undefined) return { node, column: subject.slice(dot + 1) };
  throw new TerminalError('LINEAGE_NOT_FOUND', `Looking for ${subject} failed: nothing of the project has that name.`, {
    next: `Name one of ${nodes.map(({ name }) => name).join(', ')}.`,
  });
}

function assertColumn({ id, columns = [] }: LineageNode, column: string): void {
  if (columns.some(({ name }) => name === column)) return;
  const names = columns.map(({ name }) => name).join(', ');
  throw new TerminalError('LINEAGE_NOT_FOUND', `Looking for column ${column} failed: ${id} has no such column.`, {
    next: names === '' ? 'Its columns are not known; see `plumbline lineage --columns`.' : `It has ${names}.`,
  });
}

/** The node, all that it is made from and all that is made from it. */
function around({ nodes }: Lineage, node: LineageNode): Lineage {
  const kept = new Set([node.id]);
  for (const one of [...nodes].reverse()) if (kept.has(one.id)) one.from.forEach((id) => kept.add(id));
  const readers = new Set([node.id]);
  for (const one of nodes) if (one.from.some((id) => readers.has(id))) readers.add(one.id);
  return { nodes: nodes.filter(({ id }) => kept.has(id) || readers.has(id)) };
}
