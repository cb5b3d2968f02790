import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Info as ActivityInfo } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import { createActivities } from '../../src/activities/index.js';
import type { EltResult, LoadedObject, LoadSummary, TransformSummary } from '../../src/contracts/elt.js';
import type { RunPlan, RunRef, Stage } from '../../src/contracts/run.js';
import type { TrainingSetSummary } from '../../src/contracts/features.js';
import type { SharedStore } from '../../src/model/artifact.js';
import { packBundle } from '../../src/project/pack-bundle.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { redactedStore } from '../../src/storage/redacted-store.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

export type Activities = ReturnType<typeof createActivities>;

export interface Workbench {
  readonly test: TestDatabase;
  /** As project shop has it in dev. */
  readonly store: SharedStore;
  readonly root: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  remove(path: string): Promise<void>;
  /** A run of the project's code as it is now. */
  ref(runId: string, more?: Partial<RunRef>): Promise<RunRef>;
  /** The same, opened. */
  open(runId: string, stages?: readonly Stage[], more?: Partial<RunRef>): Promise<{ run: RunRef; plan: RunPlan }>;
  readonly call: <K extends keyof Activities>(
    name: K,
    input: Parameters<Activities[K]>[0],
    /** What Temporal says of the attempt. */
    info?: Partial<ActivityInfo>,
    /** Where the test cancels it. */
    environment?: MockActivityEnvironment,
  ) => Promise<Awaited<ReturnType<Activities[K]>>>;
  /** What the elt workflow does, without Temporal. */
  elt(run: RunRef, plan: RunPlan): Promise<EltResult>;
  features(run: RunRef): Promise<TrainingSetSummary>;
  close(run: RunRef, status?: 'succeeded' | 'failed' | 'cancelled'): Promise<void>;
  destroy(): Promise<void>;
}

/** The real activities on a real database, store and project folder; only Temporal is left out. */
export async function createWorkbench(
  files: Readonly<Record<string, string>>,
  log = pino({ level: 'silent' }),
): Promise<Workbench> {
  const test = await createTestDatabase();
  const root = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
  const shared = openDirectoryStore(join(root, '.plumbline', 'store'));
  const store = redactedStore(shared, test.database, { env: 'dev', project: 'shop' });
  const activities = createActivities({
    database: test.database,
    store: shared,
    cacheDir: join(root, '.plumbline', 'cache'),
    threads: 1,
    log,
  });
  const call = async (
    name: keyof Activities,
    input: unknown,
    info?: Partial<ActivityInfo>,
    environment = new MockActivityEnvironment(info),
  ): Promise<unknown> => {
    const table = activities as unknown as Readonly<Record<string, (input: unknown) => Promise<unknown>>>;
    const activity = table[name]!;
    return environment.run(() => activity(input));
  };
  const bench: Workbench = {
    test,
    store,
    root,
    // Name and input were checked together at the call; inside they are the table's union.
    call: call as Workbench['call'],
    async write(contents) {
      for (const [path, text] of Object.entries(contents)) {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), text);
      }
    },
    remove: (path) => rm(join(root, path)),
    async ref(runId, more = {}) {
      const bundle = await packBundle({ root, store });
      return {
        runId,
        env: 'dev',
        project: 'shop',
        bundle: { digest: bundle.digest, artifact: bundle.artifact.sha256 },
        root,
        searchAttributes: [],
        force: false,
        ...more,
      };
    },
    async open(runId, stages = ['elt', 'features', 'training', 'deployment'], more = {}) {
      const run = await bench.ref(runId, more);
      const plan = await bench.call('openRun', { run, workflowId: 'w', stages: [...stages], startedBy: 'test' });
      return { run, plan };
    },
    async elt(run, plan) {
      const loads: LoadSummary[] = [];
      for (const resource of plan.resources) {
        const extracted = await bench.call('extractResource', { run, resource });
        if (extracted.reused !== undefined) {
          loads.push(extracted.reused);
          continue;
        }
        const objects: LoadedObject[] = [];
        let start = 0;
        for (const length of extracted.groups!)
          objects.push(
            ...(await bench.call('loadObjects', {
              run,
              resource,
              objects: extracted.objects.slice(start, (start += length)),
            })),
          );
        const { extractId, inventory } = extracted;
        const extract = { ...(extractId && { extractId }), ...(inventory && { inventory }) };
        loads.push(await bench.call('publishResource', { run, resource, loads: objects, ...extract }));
      }
      const transforms: TransformSummary[] = [];
      for (const { name } of plan.transforms)
        transforms.push(await bench.call('buildTransform', { run, transform: name }));
      return { loads, transforms };
    },
    features: (run) => bench.call('buildTrainingSet', { run, set: 'main' }),
    close: (run, status = 'succeeded') => bench.call('closeRun', { run, status }),
    async destroy() {
      await test.drop();
      await rm(root, { recursive: true, force: true });
    },
  };
  await bench.write(files);
  return bench;
}
