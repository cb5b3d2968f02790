import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StackState } from '../config.js';

/** Writes `.plumbline/state.json` whole or not at all; calls made while one is under way are joined into the next. */
export function openStackFile(stateDir: string): { write(state: StackState): Promise<void> } {
  const path = join(stateDir, 'state.json');
  let latest: StackState | undefined;
  let writing = Promise.resolve();
  return {
    write(state) {
      latest = state;
      writing = writing.then(async () => {
        if (latest === undefined) return;
        const text = JSON.stringify(latest, null, 2);
        latest = undefined;
        await writeFile(`${path}.new`, `${text}\n`, { mode: 0o644 });
        await rename(`${path}.new`, path);
      });
      return writing;
    },
  };
}
