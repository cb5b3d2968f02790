import type { ActivityDependencies } from './dependencies.js';
import { createDeploymentActivities } from './deployment.js';
import { createEltActivities } from './elt.js';
import { createFeaturesActivities } from './features.js';
import { createIntervalActivities } from './intervals.js';
import { createLandAheadActivities } from './land-ahead.js';
import { createMaintenanceActivities } from './maintenance.js';
import { createRunActivities } from './run.js';
import { createTrainingActivities } from './training.js';

/** The table of activities a worker registers. */
export function createActivities(dependencies: ActivityDependencies) {
  return {
    ...createRunActivities(dependencies),
    ...createEltActivities(dependencies),
    ...createFeaturesActivities(dependencies),
    ...createTrainingActivities(dependencies),
    ...createDeploymentActivities(dependencies),
    ...createIntervalActivities(dependencies),
    ...createLandAheadActivities(dependencies),
    ...createMaintenanceActivities(dependencies),
  };
}
