import type { RunRef } from '../contracts/run.js';
import { compileTransforms, type TransformNode } from '../elt/transform/compile-transforms.js';
import { selectNodes } from '../elt/transform/select-nodes.js';
import { orderResources, type OrderedResource } from '../elt/inventory/order-resources.js';
import type { Project } from '../model/project.js';

/** What a run loads and builds, each behind what it waits for. Throws `ELT_SELECT_UNKNOWN`, and what `compileTransforms` and `orderResources` do. */
export function selectedSteps(
  project: Project,
  { only, select }: Pick<RunRef, 'only' | 'select'>,
): { readonly resources: readonly OrderedResource[]; readonly nodes: readonly TransformNode[] } {
  const { nodes } = compileTransforms(project);
  return {
    resources: only === 'transform' ? [] : orderResources(project),
    nodes: select === undefined ? nodes : selectNodes(nodes, select),
  };
}
