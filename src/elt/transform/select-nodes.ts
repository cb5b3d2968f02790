import { closest } from 'fastest-levenshtein';
import { TerminalError } from '../../errors.js';
import type { TransformNode } from './compile-transforms.js';
import type { EphemeralNode } from './ephemeral-nodes.js';

type Node = Pick<TransformNode, 'name' | 'deps'>;
type Ephemeral = Pick<EphemeralNode, 'name' | 'deps' | 'readers'>;

/**
 * The nodes that any of the patterns means, in the order of `nodes`, which lists each after what it needs: `name`,
 * `name+` with all that read it, `+name` with all it reads. Of an ephemeral one `name+` is all that read it, and `+name` all it reads. Throws
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
    if (ephemeral === undefined && !known) throw unknownName(name, [...nodes, ...ephemerals]);
    if (known) selected.add(name);
    const readers = down ? (ephemeral?.readers ?? [name]) : [];
    const reads = up ? (ephemeral?.deps ?? [name]) : [];
    if (!known && readers.length + reads.length === 0) throw notBuilt(name);
    for (const one of readers) readersOf(one, nodes).forEach((reader) => selected.add(reader));
    for (const one of reads) readsOf(one, nodes).forEach((read) => selected.add(read));
  }
  return nodes.filter((node) => selected.has(node.name));
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

function unknownName(name: string, nodes: readonly Pick<Node, 'name'>[]): TerminalError {
  const known = nodes.map((node) => node.name);
  return new TerminalError('ELT_SELECT_UNKNOWN', `Selecting ${name} failed: there is no transform of that name.`, {
    details: { name, known },
    next: known.length === 0 ? 'The project has no transforms.' : `Nearest name: ${closest(name, known)}.`,
  });
}
