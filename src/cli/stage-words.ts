import type { RunRef } from '../contracts/run.js';
import { STAGE_WORDS } from '../contracts/stage-words.js';
import { isSelected, type Selection } from '../model/selection.js';
import type { RunRow } from '../storage/runs.js';

/** `transform` means the second half of its stage; `load` the whole, because what is loaded is built too, unless some sources are selected. */
export function halfOf(word: string | undefined, selection: Selection): RunRef['only'] {
  return word === 'transform' || (word === 'load' && isSelected(selection)) ? word : undefined;
}

/** What a recorded run was asked to do of its stage. */
export function halfOfRun({
  options,
}: RunRow): Pick<RunRef, 'only' | 'select' | 'exclude' | 'interval' | 'rejects' | 'acceptAnomaly'> {
  const { only, select, exclude, interval, rejects, acceptAnomaly } = options as Partial<RunRef>;
  return {
    ...(only === undefined ? {} : { only }),
    ...(select === undefined ? {} : { select }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(interval === undefined ? {} : { interval }),
    ...(rejects === undefined ? {} : { rejects }),
    ...(acceptAnomaly === true ? { acceptAnomaly } : {}),
  };
}

/** The first word that means exactly these stages; undefined for a whole run. */
export function stageWord(stages: readonly string[]): string | undefined {
  return Object.keys(STAGE_WORDS).find((word) => STAGE_WORDS[word]!.join() === stages.join());
}
