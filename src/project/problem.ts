import { TerminalError, type SourcePosition } from '../errors.js';
import type { ProjectErrorCode } from './errors.js';

/** Something wrong in the user's files. Collected, so that one look shows all of them. */
export interface Problem {
  readonly code: ProjectErrorCode;
  readonly message: string;
  readonly at: SourcePosition;
  readonly next: string;
}

/** One TerminalError for any number of problems: the first is its message, `details.problems` holds all. */
export function throwProblems(problems: readonly Problem[]): void {
  const [first, ...others] = problems;
  if (first === undefined) return;
  const more = others.length === 0 ? '' : ` (and ${others.length} more: see \`plumbline validate\`)`;
  throw new TerminalError(first.code, `${first.message}${more}`, {
    details: { problems: problems.map(({ code, message, at, next }) => ({ code, message, at, next })) },
    at: first.at,
    next: first.next,
  });
}
