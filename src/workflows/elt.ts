import { proxyActivities } from '@temporalio/workflow';
import type { EltActivities } from '../activities/elt.js';
import type { EltResult, ExtractResult, LoadedObject, LoadSummary, TransformSummary } from '../contracts/elt.js';
import type { RunPlan, RunRef } from '../contracts/run.js';
import { stepNames } from '../contracts/step-names.js';
import { counted } from '../model/plural.js';
import { bulkLoad } from './activity-options.js';
import { allOrCancel } from './all-or-cancel.js';
import { setSearchAttributes, withRun, type StageInput } from './run-scope.js';
import { settleSteps, throwFailed, type BadEndings, type Step } from './settle-steps.js';

const { extractResource, loadObject, loadObjects, publishResource, retryRejects, buildTransform } =
  proxyActivities<EltActivities>(bulkLoad);

/** Groups of objects of one resource, or single ones, that load at the same time. */
const PARALLEL_LOADS = 4;

/**
 * Extract and load every resource, each as soon as those that it waits for are there, then build the SQL graph, each node as soon as what it
 * reads is there. One that fails stops only what reads it: the others are published, then the stage fails with the first error.
 */
export async function elt(input: StageInput): Promise<EltResult> {
  return withRun(input, 'elt', async (plan, report) => {
    const { run } = input;
    const endings: BadEndings = { failed: [], skipped: {} };
    const inTurn = <T>(steps: readonly Step<T>[]): Promise<T[]> =>
      plan.transformReads === undefined ? allOrNone(steps) : settleSteps(steps, endings);
    const loads = run.rejects === undefined ? await inTurn(loadSteps(run, plan)) : [await retryRejects({ run })];
    for (const load of loads)
      report(`${load.resource}: ${counted(load.tableRows, 'row')}, ${load.rowsRejected} rejected`);
    setSearchAttributes(run, { PlumblineRows: loads.reduce((sum, load) => sum + load.tableRows, 0) });
    const transforms = await inTurn(transformSteps(run, plan));
    for (const built of transforms)
      report(`${built.transform}: ${counted(built.rows, 'row')}, ${counted(built.testsPassed, 'test')} passed`);
    for (const { step } of endings.failed) report(`**failed**: ${step}`);
    throwFailed(endings);
    return { loads, transforms };
  });
}

/** Most wait for nothing; an inventory waits for the tables that it reads. */
function loadSteps(run: RunRef, { resources, resourcesAfter = {} }: RunPlan): Step<LoadSummary>[] {
  return resources.map((resource) => ({
    name: stepNames.load(resource),
    after: (resourcesAfter[resource] ?? []).map(stepNames.load),
    start: () => loadResource(run, resource),
  }));
}

/** The plan lists nodes after what they wait for. */
function transformSteps(run: RunRef, { transforms, transformReads = {} }: RunPlan): Step<TransformSummary>[] {
  return transforms.map(({ name, after }) => ({
    name: stepNames.transform(name),
    after: [...(transformReads[name] ?? []).map(stepNames.load), ...after.map(stepNames.transform)],
    start: () => buildTransform({ run, transform: name }),
  }));
}

/** As runs of older plans go: one failure cancels the rest. */
async function allOrNone<T>(steps: readonly Step<T>[]): Promise<T[]> {
  const ended = new Map<string, Promise<T>>();
  return allOrCancel(
    steps.map(({ name, after, start }) => () => {
      const work = async (): Promise<T> => {
        if (after.length > 0) await Promise.all(after.map((before) => ended.get(before)!));
        return start();
      };
      ended.set(name, work());
      return ended.get(name)!;
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
