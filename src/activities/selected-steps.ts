import type { RunRef } from '../contracts/run.js';
import { compileTransforms, type TransformNode } from '../elt/transform/compile-transforms.js';
import { selectNodes } from '../elt/transform/select-nodes.js';
import type { Project, ResourceConfig } from '../model/project.js';

/** What a run loads and builds; the rest stays as it is. Throws `ELT_SELECT_UNKNOWN`, or what `compileTransforms` throws. */
export function selectedSteps(
  project: Project,
  { only, select }: Pick<RunRef, 'only' | 'select'>,
): { readonly resources: readonly ResourceConfig[]; readonly nodes: readonly TransformNode[] } {
  const { nodes } = compileTransforms(project);
  return {
    resources: only === 'transform' ? [] : project.resources,
    nodes: select === undefined ? nodes : selectNodes(nodes, select),
  };
}
