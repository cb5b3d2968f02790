import { TerminalError } from '../errors.js';
import { SPLIT_COLUMN } from '../model/training-set.js';
import type { StagedLabels } from './stage-labels.js';
import type { StagedView } from './stage-view.js';
import { positionOf } from './user-query.js';

/** Refuses two columns of one name in the training set. Parquet readers do not tell `Temp` from `temp`, so neither does this. */
export function refuseDuplicateColumns(labels: StagedLabels, views: readonly StagedView[]): void {
  const owners = new Map<string, { name: string; owner: string }>();
  const claim = (name: string, owner: string): { name: string; owner: string } | undefined => {
    const first = owners.get(name.toLowerCase());
    if (first === undefined) owners.set(name.toLowerCase(), { name, owner });
    return first;
  };
  claim(SPLIT_COLUMN, 'plumbline (train or test)');
  for (const { name, owner } of labelColumns(labels)) {
    const first = claim(name, owner);
    if (first !== undefined && !(first.name === name && owner === 'the label time'))
      throw duplicate(name, first, owner, labels.query);
  }
  for (const view of views)
    for (const { name } of view.features) {
      const owner = `feature view ${view.file.name}`;
      const first = claim(name, owner);
      if (first !== undefined) throw duplicate(name, first, owner, view.query);
    }
}

function labelColumns(labels: StagedLabels): { name: string; owner: string }[] {
  return [
    ...labels.entity.map(({ name }) => ({ name, owner: 'the entity' })),
    // The entity may be the label time itself: one column, one name.
    { name: labels.labelTime.name, owner: 'the label time' },
    { name: labels.target.name, owner: 'the target' },
  ];
}

function duplicate(
  name: string,
  first: { readonly name: string; readonly owner: string },
  owner: string,
  query: StagedLabels['query'],
): TerminalError {
  const spelled = first.name === name ? '' : ` (there written ${first.name})`;
  return new TerminalError(
    'FEATURES_DUPLICATE_COLUMN',
    `Naming the columns of the training set failed: ${name} of ${owner} is already the name of a column of ${first.owner}${spelled}.`,
    {
      details: { column: name, owners: [first.owner, owner] },
      at: positionOf(query, name),
      next: `Rename one of them in its SELECT, e.g. \`${name} AS ${query.name}_${name}\`, or leave it out.`,
    },
  );
}
