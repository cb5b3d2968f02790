import type { RunRef } from '../contracts/run.js';
import { compileTransforms, type TransformNode } from '../elt/transform/compile-transforms.js';
import { selectNodes } from '../elt/transform/select-nodes.js';
import type { Project, ResourceConfig } from '../model/project.js';

/** What a run loads and builds; the rest stays as it is. Throws `ELT_SELECT_UNKNOWN`, or what `compileTransforms` throws. */
export function selectedSteps(
  project: Project,
  { only, select, rejects }: Pick<RunRef, 'only' | 'select' | 'rejects'>,
): { readonly resources: readonly ResourceConfig[]; readonly nodes: readonly TransformNode[] } {
  const { nodes } = compileTransforms(project);
  const isLoaded = ({ id }: ResourceConfig): boolean =>
    rejects === undefined ? only !== 'transform' : id === rejects.resource;
  return {
    resources: project.resources.filter(isLoaded),
    nodes: select === undefined ? nodes : selectNodes(nodes, select),
  };
}
