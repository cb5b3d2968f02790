export { backfill } from './backfill.js';
export { deployment } from './deployment.js';
export { elt } from './elt.js';
export { featureEngineering } from './feature-engineering.js';
export { pipeline } from './pipeline.js';
export { plan } from './plan.js';
export { scheduledRun } from './scheduled-run.js';
export { training } from './training.js';
