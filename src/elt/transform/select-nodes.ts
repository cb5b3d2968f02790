import { closest } from 'fastest-levenshtein';
import { TerminalError } from '../../errors.js';
import type { TransformNode } from './compile-transforms.js';

type Node = Pick<TransformNode, 'name' | 'deps'>;

/**
 * The nodes that any of the patterns means, in the order of `nodes`, which lists each after what it needs: `name`,
 * `name+` with all that read it, `+name` with all it reads; `ephemeral` are names for which nothing is built. Throws
 * `ELT_SELECT_UNKNOWN`; a retry gives the same.
 *
 * @example selectNodes([{ name: 'a', deps: [] }, { name: 'b', deps: ['a'] }], ['a+']) // both
 */
export function selectNodes<T extends Node>(
  nodes: readonly T[],
  patterns: readonly string[],
  ephemeral: readonly string[] = [],
): T[] {
  const selected = new Set<string>();
  for (const pattern of patterns) {
    const name = pattern.replace(/^\+/, '').replace(/\+$/, '');
    if (!nodes.some((node) => node.name === name))
      throw ephemeral.includes(name) ? notBuilt(name) : unknownName(name, nodes);
    selected.add(name);
    if (pattern.endsWith('+')) readersOf(name, nodes).forEach((one) => selected.add(one));
    if (pattern.startsWith('+')) readsOf(name, nodes).forEach((one) => selected.add(one));
  }
  return nodes.filter((node) => selected.has(node.name));
}

function readersOf(name: string, nodes: readonly Node[]): Set<string> {
  const readers = new Set([name]);
  for (const node of nodes) if (node.deps.some((dep) => readers.has(dep))) readers.add(node.name);
  return readers;
}

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
      next: `Select what reads it; \`plumbline preview ${name}\` shows its rows.`,
    },
  );
}

function unknownName(name: string, nodes: readonly Node[]): TerminalError {
  const known = nodes.map((node) => node.name);
  return new TerminalError('ELT_SELECT_UNKNOWN', `Selecting ${name} failed: there is no transform of that name.`, {
    details: { name, known },
    next: known.length === 0 ? 'The project has no transforms.' : `Nearest name: ${closest(name, known)}.`,
  });
}
