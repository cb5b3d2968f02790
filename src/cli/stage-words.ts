import type { RunRef, Stage } from '../contracts/run.js';
import type { RunRow } from '../storage/runs.js';

/** Words of the command line → stages of the pipeline. */
export const STAGE_WORDS: Readonly<Record<string, readonly Stage[]>> = {
  load: ['elt'],
  transform: ['elt'],
  features: ['features'],
  train: ['features', 'training'],
  deploy: ['features', 'training', 'deployment'],
};

/** `transform` means the second half of its stage; `load` the whole, because what is loaded is built too. */
export function halfOf(word: string | undefined): RunRef['only'] {
  return word === 'transform' ? word : undefined;
}

/** What a recorded run was asked to do of its stage. */
export function halfOfRun({ options }: RunRow): Pick<RunRef, 'only' | 'select' | 'rejects' | 'acceptAnomaly'> {
  const { only, select, rejects, acceptAnomaly } = options as Partial<RunRef>;
  return {
    ...(only === undefined ? {} : { only }),
    ...(select === undefined ? {} : { select }),
    ...(rejects === undefined ? {} : { rejects }),
    ...(acceptAnomaly === true ? { acceptAnomaly } : {}),
  };
}

/** The first word that means exactly these stages; undefined for a whole run. */
export function stageWord(stages: readonly string[]): string | undefined {
  return Object.keys(STAGE_WORDS).find((word) => STAGE_WORDS[word]!.join() === stages.join());
}
