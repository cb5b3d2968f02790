/**
 * Started by run-child.ts in a process group of its own: `guard.js <output> <graceMs> <program> [parameter …]`. Starts
 * the program in that group, and ends the group when the worker is gone, which the end of the lifeline tells (file
 * descriptor 3): nothing is left running behind a worker that was killed. Says on the lifeline how the program ended.
 */
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { GuardReport } from './guard-report.js';

const [output, graceMs, program, ...parameters] = process.argv.slice(2);

// A signal to the group is meant for the program; the guard has to be there afterwards.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

const lifeline = new Socket({ fd: 3 });
lifeline.on('error', () => {});
lifeline.once('close', endGroup);
lifeline.once('end', endGroup);
lifeline.resume();

// Whatever is not the protocol goes to standard error.
const child = spawn(program!, parameters, { stdio: output === '3' ? [0, 2, 2, 1] : [0, 1, 2] });
child.once('error', (error) => report({ error: error.message, code: (error as NodeJS.ErrnoException).code }));
child.once('exit', (exitCode, signal) => report({ exitCode, signal }));

function report(how: GuardReport): void {
  lifeline.off('end', endGroup).off('close', endGroup);
  // What the program has left in the background ends with it, and with this process.
  lifeline.end(`${JSON.stringify(how)}\n`, () => process.kill(0, 'SIGKILL'));
}

function endGroup(): void {
  process.kill(0, 'SIGTERM');
  setTimeout(() => process.kill(0, 'SIGKILL'), Number(graceMs));
}
