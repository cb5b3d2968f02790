import { closest } from 'fastest-levenshtein';
import { TerminalError } from '../../errors.js';
import { applySelection, type Selection } from '../../model/selection.js';
import type { TransformNode } from './compile-transforms.js';
import type { EphemeralNode } from './ephemeral-nodes.js';

type Node = Pick<TransformNode, 'name' | 'deps'> & Partial<Pick<TransformNode, 'sources'>>;
type Ephemeral = Pick<EphemeralNode, 'name' | 'deps' | 'readers'>;

/**
 * The nodes that any of the patterns means, in the order of `nodes`, which lists each after what it needs: `name`,
 * `name+` with all that read it, `+name` with all it reads. A seed or a resource (`source.resource`, or its last word) is a start only:
 * `raw_customers+` is what reads it. Of an ephemeral one `name+` is all that read it, and `+name` all it reads. Throws
 * `ELT_SELECT_UNKNOWN`; a retry gives the same.
 *
 * @example selectNodes([{ name: 'a', deps: [] }, { name: 'b', deps: ['a'] }], ['a+']) // both
 */
export function selectNodes<T extends Node>(
  nodes: readonly T[],
  patterns: readonly string[],
  ephemerals: readonly Ephemeral[] = [],
): T[] {
  const selected = new Set<string>();
  for (const pattern of patterns) {
    const name = pattern.replace(/^\+/, '').replace(/\+$/, '');
    const [up, down] = [pattern.startsWith('+'), pattern.endsWith('+')];
    const ephemeral = ephemerals.find((one) => one.name === name);
    const known = ephemeral === undefined && nodes.some((node) => node.name === name);
    if (ephemeral === undefined && !known) {
      const first = down && !up ? nodes.filter(({ sources = [] }) => sources.some((id) => isNamed(id, name))) : [];
      if (first.length === 0) throw unknownName(name, nodes, ephemerals);
      for (const one of first) readersOf(one.name, nodes).forEach((reader) => selected.add(reader));
      continue;
    }
    if (known) selected.add(name);
    const readers = down ? (ephemeral?.readers ?? [name]) : [];
    const reads = up ? (ephemeral?.deps ?? [name]) : [];
    if (!known && readers.length + reads.length === 0) throw notBuilt(name);
    for (const one of readers) readersOf(one, nodes).forEach((reader) => selected.add(reader));
    for (const one of reads) readsOf(one, nodes).forEach((read) => selected.add(read));
  }
  return nodes.filter((node) => selected.has(node.name));
}

/** What a run builds of the nodes, in their order. Throws `ELT_SELECT_UNKNOWN` and `SELECT_EMPTY`; a retry gives the same. */
export function selectedNodes<T extends Node>(
  { nodes, ephemerals }: { readonly nodes: readonly T[]; readonly ephemerals: readonly Ephemeral[] },
  selection: Selection,
): readonly T[] {
  return applySelection(nodes, selection, (names) => selectNodes(nodes, names, ephemerals));
}

/** And itself. */
function readersOf(name: string, nodes: readonly Node[]): Set<string> {
  const readers = new Set([name]);
  for (const node of nodes) if (node.deps.some((dep) => readers.has(dep))) readers.add(node.name);
  return readers;
}

/** And itself. */
function readsOf(name: string, nodes: readonly Node[]): Set<string> {
  const reads = new Set([name]);
  for (const node of [...nodes].reverse()) if (reads.has(node.name)) node.deps.forEach((dep) => reads.add(dep));
  return reads;
}

/** Whether a resource's id, `shop.orders` or `sales`, is meant by a name. */
function isNamed(id: string, name: string): boolean {
  return id === name || id.endsWith(`.${name}`);
}

function notBuilt(name: string): TerminalError {
  return new TerminalError(
    'ELT_SELECT_UNKNOWN',
    `Selecting ${name} failed: it is ephemeral, so nothing is built for it.`,
    {
      details: { name },
      next: `Select what reads it with \`--select ${name}+\`; \`plumbline preview ${name}\` shows its rows.`,
    },
  );
}

function unknownName(name: string, nodes: readonly Node[], ephemerals: readonly Ephemeral[]): TerminalError {
  const known = [...nodes, ...ephemerals].map((node) => node.name);
  if (nodes.some(({ sources = [] }) => sources.some((id) => isNamed(id, name))))
    return new TerminalError('ELT_SELECT_UNKNOWN', `Selecting ${name} failed: it is loaded, not built.`, {
      details: { name, known },
      next: `Select what reads it with \`--select ${name}+\`; \`plumbline run load\` loads it.`,
    });
  return new TerminalError('ELT_SELECT_UNKNOWN', `Selecting ${name} failed: there is no transform of that name.`, {
    details: { name, known },
    next: known.length === 0 ? 'The project has no transforms.' : `Nearest name: ${closest(name, known)}.`,
  });
}
