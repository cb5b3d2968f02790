import { CancellationScope, proxyActivities } from '@temporalio/workflow';
import type { LandAheadActivities } from '../activities/land-ahead.js';
import type { RunInterval, RunRef } from '../contracts/run.js';
import { landing } from './activity-options.js';
import { newRunId } from './run-child.js';

const { landAhead } = proxyActivities<LandAheadActivities>(landing);

/** What was landed longer ago is asked for anew, as `beginExtract` has it for what is not complete. */
const KEPT_MS = 6 * 3_600_000;

interface Landing {
  readonly runId: string;
  readonly scope: CancellationScope;
  /** Never fails: what is not landed is left to the run. */
  readonly ended: Promise<void>;
  endedAt?: number;
  isStopped: boolean;
}

/** Intervals that are landed before they run, each under the id that its run will have. */
export interface LookAhead {
  /** How many there are. */
  count(): number;
  /** Begins with those that are not landed yet; one that was stopped goes on behind its last page. */
  begin(intervals: readonly RunInterval[]): void;
  /** Waits until the interval's landing has ended, if there is one. */
  landed(interval: RunInterval): Promise<void>;
  /** Lets the interval go and gives the id of its run; undefined when there is nothing that a run may read. */
  take(interval: RunInterval): string | undefined;
  /** Cancels what is under way and waits until it has ended. */
  stop(): Promise<void>;
}

export function createLookAhead(run: Omit<RunRef, 'runId' | 'interval'>): LookAhead {
  const landings = new Map<string, Landing>();
  const land = (interval: RunInterval, runId: string): Landing => {
    const scope = new CancellationScope();
    const work = scope.run(() => landAhead({ run: { ...run, runId, interval } }));
    const settled = (): void => void (landing.endedAt = Date.now());
    const landing: Landing = { runId, scope, ended: work.then(settled, settled), isStopped: false };
    return landing;
  };
  return {
    count: () => landings.size,
    begin(intervals) {
      for (const interval of intervals) {
        const former = landings.get(interval.start);
        if (former?.isStopped === false) continue;
        const runId = former !== undefined && isFresh(former) ? former.runId : newRunId();
        landings.set(interval.start, land(interval, runId));
      }
    },
    landed: async ({ start }) => landings.get(start)?.ended,
    take({ start }) {
      const landing = landings.get(start);
      landings.delete(start);
      return landing !== undefined && isFresh(landing) ? landing.runId : undefined;
    },
    async stop() {
      for (const landing of landings.values()) {
        if (landing.endedAt === undefined) landing.isStopped = true;
        landing.scope.cancel();
      }
      await Promise.all([...landings.values()].map(({ ended }) => ended));
    },
  };
}

function isFresh({ endedAt }: Landing): boolean {
  return endedAt === undefined || Date.now() - endedAt < KEPT_MS;
}
