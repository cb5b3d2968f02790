import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files by size, as vitest has them where it knows no durations, but those with whole stacks spread over the first half: many are
 * small and take minutes of waiting, so they came last, side by side, while the other workers had nothing left.
 * Files that share a process come one after another, as it ends where the next file is none of them.
 */
export default class SpreadStacks extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const stacks = sorted.filter(({ moduleId }) => /\/tests\/(faults|integration|embedded)\//.test(moduleId));
    const rest = sorted.filter((file) => !stacks.includes(file));
    const sharesProcess = ({ project }: TestSpecification): boolean => !project.config.isolate;
    const others = [...rest.filter((file) => !sharesProcess(file)), ...rest.filter(sharesProcess)];
    const every = Math.max(1, Math.floor(others.length / (2 * stacks.length)));
    return others.flatMap((file, at) => (at % every === 0 ? [...stacks.splice(0, 1), file] : [file])).concat(stacks);
  }
}
