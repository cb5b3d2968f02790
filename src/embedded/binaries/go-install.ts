import { join } from 'node:path';
import type { Report } from './official-download.js';
import type { ProgramPin } from './pins.js';
import { runProgram } from './run-program.js';

/** Builds the program with `go install` into `folder` (about three minutes on two cores); gives its path. */
export async function goInstall(pin: ProgramPin, folder: string, report: Report): Promise<string> {
  if (pin.goModule === undefined) throw new Error('it is not written in Go');
  report(`building ${pin.goModule}; this takes some minutes, once`);
  await runProgram(['go', 'install', pin.goModule], {
    env: { ...process.env, GOBIN: folder },
    timeoutMs: 1_200_000,
    onWait: (seconds) => report(`building ${pin.goModule}: ${seconds} s`),
  });
  return join(folder, pin.program);
}
