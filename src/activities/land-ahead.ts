import { activityInfo, cancellationSignal } from '@temporalio/activity';
import { landAheadInput, type LandAheadInput, type LandedAhead } from '../contracts/intervals.js';
import { inOrder } from '../elt/extract/in-order.js';
import { landedAhead } from '../elt/extract/landed-ahead.js';
import type { ResourceConfig } from '../model/project.js';
import { connectionName } from '../storage/connection-name.js';
import { endConnections, tagDatabase } from '../storage/database.js';
import type { ActivityDependencies } from './dependencies.js';
import { extractSource } from './extract-source.js';
import { projectOf } from './project-code.js';
import { shortActivity } from './short-activity.js';

export type LandAheadActivities = ReturnType<typeof createLandAheadActivities>;

const STEP = 'land-ahead';

/** Of one interval, beside those of the other intervals. */
const RESOURCES_AT_ONCE = 2;

export function createLandAheadActivities(dependencies: ActivityDependencies) {
  return {
    /**
     * GET for a run that is still to come, under its id: its own extract finds what is there. Touches no table, so it holds no lease.
     * What cannot be fetched is left to the run, which says why; a second attempt goes on behind the last page.
     */
    async landAhead(input: LandAheadInput): Promise<LandedAhead> {
      const { run } = landAheadInput.parse(input);
      return shortActivity(STEP, async () => {
        const signal = cancellationSignal();
        const project = await projectOf(dependencies, run);
        const name = connectionName(run.runId, STEP);
        // An attempt that is frozen between a page and its COMMIT would make this one wait for it.
        await endConnections(dependencies.database, `^${name}/`);
        const { attempt } = activityInfo();
        const database = tagDatabase(dependencies.database, `${name}/${attempt}`);
        const scope = { database, signal, attempt, progress: () => {}, output: () => {} };
        const land = async (resource: ResourceConfig): Promise<string[]> => {
          try {
            await extractSource({ dependencies, project, resource, run, scope, ahead: true });
            return [resource.id];
          } catch (error) {
            dependencies.log.info({ run: run.runId, resource: resource.id, err: error }, 'left to the run');
            return [];
          }
        };
        const landed = await inOrder(landedAhead(project, run), RESOURCES_AT_ONCE, signal, land);
        return { resources: landed.flat() };
      });
    },
  };
}
