import { spawn } from 'node:child_process';

export interface RunProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** The program is ended after this long. */
  readonly timeoutMs: number;
  /** Called every 5 s while the program runs, with the seconds so far. */
  readonly onWait?: (seconds: number) => void;
}

/** Runs a program to its end. Resolves on exit code 0, else throws an Error with the last line it printed. */
export async function runProgram(command: readonly string[], options: RunProgramOptions): Promise<string> {
  const [file, ...parameters] = command;
  if (file === undefined) throw new RangeError('expected a command of at least one word');
  const started = Date.now();
  const child = spawn(file, parameters, {
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs,
  });
  const ticker = setInterval(() => options.onWait?.(Math.round((Date.now() - started) / 1000)), 5_000);
  let output = '';
  const keep = (text: Buffer): void => void (output = (output + text.toString()).slice(-4_000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(`${lastLine(output) || 'no output'} (${signal ?? `exit code ${code}`})`));
      });
    });
    return output;
  } finally {
    clearInterval(ticker);
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim().slice(0, 300) ?? '';
}
