import type { Stage } from './run.js';

/** Words of the command line and of `schedule` → stages of the pipeline. */
export const STAGE_WORDS: Readonly<Record<string, readonly Stage[]>> = {
  load: ['elt'],
  transform: ['elt'],
  features: ['features'],
  train: ['features', 'training'],
  deploy: ['features', 'training', 'deployment'],
};
