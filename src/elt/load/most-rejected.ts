import type { ResourceConfig } from '../../model/project.js';

/**
 * Rows of an object that may be refused: their share, and at least one of several, as one bad row of a few says little. None where none is
 * allowed.
 *
 * @example mostRejected({ maxRejectedShare: 0.01 }, 20) // 1
 */
export function mostRejected(
  { maxRejectedShare: share }: Pick<ResourceConfig, 'maxRejectedShare'>,
  rows: number,
): number {
  return share === 0 ? 0 : Math.max(Math.min(1, rows - 1), Math.floor(share * rows));
}
