import type { Stage } from '../contracts/run.js';

/** Words of the command line → stages of the pipeline. */
export const STAGE_WORDS: Readonly<Record<string, readonly Stage[]>> = {
  load: ['elt'],
  transform: ['elt'],
  features: ['features'],
  train: ['features', 'training'],
  deploy: ['features', 'training', 'deployment'],
};

/** The first word that means exactly these stages; undefined for a whole run. */
export function stageWord(stages: readonly string[]): string | undefined {
  return Object.keys(STAGE_WORDS).find((word) => STAGE_WORDS[word]!.join() === stages.join());
}
