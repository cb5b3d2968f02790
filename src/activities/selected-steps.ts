import type { RunRef } from '../contracts/run.js';
import { TerminalError } from '../errors.js';
import { compileTransforms, type TransformGraph, type TransformNode } from '../elt/transform/compile-transforms.js';
import { selectedNodes } from '../elt/transform/select-nodes.js';
import { selectedResources } from '../elt/inventory/select-resources.js';
import { orderResources, type OrderedResource } from '../elt/inventory/order-resources.js';
import { shownInterval } from '../model/data-interval.js';
import { lastCompleteInterval } from '../model/interval-grid.js';
import { isByInterval } from '../model/is-by-interval.js';
import type { Project } from '../model/project.js';

/**
 * What a run loads and builds, each behind what it waits for; the rest stays as it is. Throws `ELT_SELECT_UNKNOWN`, `SELECT_EMPTY`, and what
 * `compileTransforms` and `orderResources` do.
 */
export function selectedSteps(
  project: Project,
  run: Pick<RunRef, 'only' | 'select' | 'exclude' | 'rejects' | 'interval'>,
): { readonly resources: readonly OrderedResource[]; readonly nodes: readonly TransformNode[] } {
  const { only, rejects } = run;
  const compiled = compileFor(project, run);
  const all = orderResources(project);
  if (rejects !== undefined)
    return { resources: all.filter(({ resource }) => resource.id === rejects.resource), nodes: selected() };
  if (only === 'load') return { resources: selectedResources(all, run), nodes: [] };
  return { resources: only === 'transform' ? [] : all, nodes: selected() };

  function selected(): readonly TransformNode[] {
    return selectedNodes(compiled, run);
  }
}

/** The SQL graph as a run renders it. */
export function compileFor(project: Project, { interval }: Pick<RunRef, 'interval'>): TransformGraph {
  return compileTransforms({ ...project, ...(interval === undefined ? {} : { interval }) });
}

/** Without `--interval` a run takes that of the schedules, if they have one length only. */
function howToGive({ schedules, timezone }: Pick<Project, 'schedules' | 'timezone'>, now: number): string {
  const lengths = [...new Set(schedules.flatMap(({ interval }) => interval ?? []))];
  if (lengths.length === 0)
    return 'Give it one: `plumbline run --interval 2024-01-01/2024-01-02`, or a schedule with `interval: daily`.';
  const last = lengths.map((length) => shownInterval(lastCompleteInterval({ length, timezone }, now)));
  return `Say which: ${last.map((interval) => `\`--interval ${interval}\``).join(' or ')}, the last ${lengths.join(' or ')} one that is over. What asks for none is built alone by \`plumbline run transform --select <names>\`.`;
}

/** Throws `RUN_INTERVAL_NEEDED` (terminal) when what a run loads or builds is about an interval and the run has none. */
export function requireInterval(project: Project, run: Pick<RunRef, 'only' | 'select' | 'exclude' | 'interval'>): void {
  if (run.interval !== undefined) return;
  const { resources, nodes } = selectedSteps(project, run);
  const node = nodes.find(({ usesInterval }) => usesInterval);
  const resource = resources.find((one) => isByInterval(one.resource))?.resource;
  if (node === undefined && resource === undefined) return;
  const [what, at] = node === undefined ? [resource!.id, resource!.at] : [node.file, { file: node.file }];
  throw new TerminalError(
    'RUN_INTERVAL_NEEDED',
    `Planning the run failed: ${what} asks for an interval, and the run has none.`,
    { at, next: howToGive(project, Date.now()) },
  );
}
