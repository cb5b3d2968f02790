import type { FeatureViewFile } from '../../model/project.js';

/** Columns that the headers of the views vouch for, as lines for `plan` and the model card. */
export function acceptedColumns(views: readonly FeatureViewFile[]): string[] {
  return views.flatMap(({ name, leakAccepted = {} }) =>
    Object.entries(leakAccepted).map(
      ([column, reason]) => `${name}: ${column} not checked for leaks (accepted: ${reason})`,
    ),
  );
}
