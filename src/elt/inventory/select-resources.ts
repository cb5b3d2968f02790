import { closest } from 'fastest-levenshtein';
import { TerminalError } from '../../errors.js';
import { applySelection, type Selection } from '../../model/selection.js';
import type { OrderedResource } from './order-resources.js';

/**
 * The resources that any of the names means, in their order: `source` is all of its resources, `source.resource` one. What they wait for is
 * taken as it is unless it is selected too. Throws `ELT_SELECT_UNKNOWN`; a retry gives the same.
 */
function selectResources(resources: readonly OrderedResource[], names: readonly string[]): OrderedResource[] {
  const isNamed = ({ resource: { id, source } }: OrderedResource, name: string): boolean =>
    name === source || name === id;
  for (const name of names) if (!resources.some((one) => isNamed(one, name))) throw unknownName(name, resources);
  return resources.filter((one) => names.some((name) => isNamed(one, name)));
}

/** What a run loads of the resources, in their order. Throws `ELT_SELECT_UNKNOWN` and `SELECT_EMPTY`; a retry gives the same. */
export function selectedResources(
  resources: readonly OrderedResource[],
  selection: Selection,
): readonly OrderedResource[] {
  return applySelection(resources, selection, (names) => selectResources(resources, names));
}

function unknownName(name: string, resources: readonly OrderedResource[]): TerminalError {
  const known = [...new Set(resources.flatMap(({ resource }) => [resource.source, resource.id]))];
  return new TerminalError('ELT_SELECT_UNKNOWN', `Selecting ${name} to load failed: there is no source of that name.`, {
    details: { name, known },
    next: known.length === 0 ? 'The project has no sources.' : `Nearest name: ${closest(name, known)}.`,
  });
}
