import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files by size, as vitest has them where it knows no durations, but those with stacks that are killed spread over the first
 * half: they are small and take minutes, so they came last, side by side, while the other workers had nothing left.
 */
export default class SpreadKills extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const kills = sorted.filter(({ moduleId }) => moduleId.includes('/tests/faults/'));
    const others = sorted.filter((file) => !kills.includes(file));
    const every = Math.max(1, Math.floor(others.length / (2 * kills.length)));
    return others.flatMap((file, at) => (at % every === 0 ? [...kills.splice(0, 1), file] : [file])).concat(kills);
  }
}
