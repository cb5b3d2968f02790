import { DeterminismViolationError } from '@temporalio/workflow';
import { DefaultLogger, Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import * as workflows from '../../src/workflows/index.js';
import { bundleWorkflows } from '../setup/bundle-workflows.js';

const FOLDER = fileURLToPath(new URL('./histories/', import.meta.url));
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
let workflowBundle: WorkflowBundleWithSourceMap;

interface History {
  events: { eventType: string; activityTaskScheduledEventAttributes?: { activityType: { name: string } } }[];
}
const read = (name: string): History => JSON.parse(readFileSync(FOLDER + name, 'utf8')) as History;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  workflowBundle = await bundleWorkflows();
}, 60_000);

describe('recorded histories', () => {
  it('exist for every workflow', () => {
    const recorded = new Set(files.map((name) => name.split('.')[0]));
    expect([...recorded].sort()).toEqual(Object.keys(workflows).sort());
  });

  it.each(files)('%s replays on the code as it is', async (name) => {
    await Worker.runReplayHistory({ workflowBundle }, read(name), name);
  });

  it('of another order of activities are refused', async () => {
    const history = read('elt.json');
    const scheduled = history.events.filter((event) => event.activityTaskScheduledEventAttributes !== undefined);
    expect(scheduled.length).toBeGreaterThan(1);
    scheduled[0]!.activityTaskScheduledEventAttributes!.activityType.name = 'somethingElse';
    await expect(Worker.runReplayHistory({ workflowBundle }, history, 'elt')).rejects.toBeInstanceOf(
      DeterminismViolationError,
    );
  });
});
