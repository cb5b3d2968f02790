import { proxyActivities } from '@temporalio/workflow';
import type { EltActivities } from '../activities/elt.js';
import type { EltResult, ExtractResult, LoadedObject, LoadSummary, TransformSummary } from '../contracts/elt.js';
import type { RunPlan, RunRef } from '../contracts/run.js';
import { bulkLoad } from './activity-options.js';
import { allOrCancel } from './all-or-cancel.js';
import { setSearchAttributes, withRun, type StageInput } from './run-scope.js';

const { extractResource, loadObject, loadObjects, publishResource, retryRejects, buildTransform } =
  proxyActivities<EltActivities>(bulkLoad);

/** Groups of objects of one resource, or single ones, that load at the same time. */
const PARALLEL_LOADS = 4;

/** Extract and load every resource, each as soon as those that it waits for are there, then build the SQL graph, each node as soon as what it reads is there. */
export async function elt(input: StageInput): Promise<EltResult> {
  return withRun(input, 'elt', async (plan, report) => {
    const loads =
      input.run.rejects === undefined ? await loadResources(input.run, plan) : [await retryRejects({ run: input.run })];
    for (const load of loads) report(`${load.resource}: ${load.tableRows} rows, ${load.rowsRejected} rejected`);
    setSearchAttributes(input.run, { PlumblineRows: loads.reduce((sum, load) => sum + load.tableRows, 0) });
    const transforms = await buildGraph(input.run, plan.transforms);
    for (const built of transforms) report(`${built.transform}: ${built.rows} rows, ${built.testsPassed} tests passed`);
    return { loads, transforms };
  });
}

/** Most wait for nothing; an inventory waits for the tables that it reads. One failure cancels the rest. */
async function loadResources(run: RunRef, { resources, resourcesAfter = {} }: RunPlan): Promise<LoadSummary[]> {
  const loaded = new Map<string, Promise<LoadSummary>>();
  return allOrCancel(
    resources.map((resource) => () => {
      const load = async (): Promise<LoadSummary> => {
        const after = resourcesAfter[resource] ?? [];
        if (after.length > 0) await Promise.all(after.map((before) => loaded.get(before)!));
        return loadResource(run, resource);
      };
      loaded.set(resource, load());
      return loaded.get(resource)!;
    }),
  );
}

async function loadResource(run: RunRef, resource: string): Promise<LoadSummary> {
  const extracted = await extractResource({ run, resource });
  if (extracted.reused !== undefined) return extracted.reused;
  const groups = groupsOf(extracted);
  const loads = new Array<readonly LoadedObject[]>(groups.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < groups.length; index = next++) {
      const objects = groups[index]!;
      loads[index] =
        extracted.groups === undefined
          ? [await loadObject({ run, resource, object: objects[0] })]
          : await loadObjects({ run, resource, objects });
    }
  };
  await allOrCancel(Array.from({ length: PARALLEL_LOADS }, () => lane));
  return publishResource({ run, resource, loads: loads.flat(), ...extractOf(extracted) });
}

/** As the extract says; an older worker's says nothing, and its objects load one by one. */
function groupsOf({ objects, groups = objects.map(() => 1) }: ExtractResult): unknown[][] {
  let start = 0;
  return groups.map((length) => objects.slice(start, (start += length)));
}

function extractOf({ extractId, inventory }: ExtractResult): Pick<ExtractResult, 'extractId' | 'inventory'> {
  return { ...(extractId === undefined ? {} : { extractId }), ...(inventory === undefined ? {} : { inventory }) };
}

/** Each node as soon as what it reads is published; one failure cancels the rest. */
async function buildGraph(run: RunRef, nodes: RunPlan['transforms']): Promise<TransformSummary[]> {
  const built = new Map<string, Promise<TransformSummary>>();
  return allOrCancel(
    // The plan lists nodes after what they wait for.
    nodes.map(({ name, after }) => () => {
      const build = async (): Promise<TransformSummary> => {
        await Promise.all(after.map((upstream) => built.get(upstream)!));
        return buildTransform({ run, transform: name });
      };
      built.set(name, build());
      return built.get(name)!;
    }),
  );
}
