import type { StepRow } from '../storage/run-steps.js';
import { eraseLines, pc, withoutColors } from './colors.js';
import { cut } from './display-width.js';
import { renderSteps } from './render-run.js';

export interface RunScreen {
  /** @param isOver the run has ended */
  draw(steps: readonly StepRow[], isOver: boolean): void;
  /** A line of its own, above the steps that go on. */
  say(line: string): void;
}

type Terminal = Pick<NodeJS.WriteStream, 'isTTY' | 'columns'> & { readonly write: (text: string) => void };

/**
 * Shows the steps of a run as they go on. On a terminal those that run are redrawn in place; elsewhere each one that ended
 * is one line, and one that is tried again says so after 1, 2, 4, 8 … failures, as a server may be away for hours.
 */
export function createRunScreen({ isTTY, columns, write }: Terminal): RunScreen {
  const printed = new Set<string>();
  const nextFailure = new Map<string, number>();
  let live = 0;
  const erase = (): string => (isTTY && live > 0 ? eraseLines(live) : '');
  return {
    say(line) {
      write(`${erase()}${line}\n`);
      live = 0;
    },
    draw(steps, isOver) {
      const lines = renderSteps(steps, isOver);
      let output = erase();
      for (const { step, status, line, done, failures = 0 } of lines) {
        // One of an error that nobody classified is tried again, too, and may end well after all.
        if (done && !printed.has(`${step} ${status}`)) {
          printed.add(`${step} ${status}`);
          output += `${line}\n`;
        } else if (!isTTY && failures >= (nextFailure.get(step) ?? 1)) {
          nextFailure.set(step, 2 * failures);
          output += `${line}\n`;
        }
      }
      live = 0;
      if (isTTY) {
        for (const { line, done } of lines) {
          if (done) continue;
          // A line that wraps would be two, and only one of them redrawn.
          output += `${pc.yellow(columns > 1 ? cut(withoutColors(line), columns - 1) : line)}\n`;
          live++;
        }
      }
      if (output !== '') write(output);
    },
  };
}
