import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PROJECT_FILE } from './load-project.js';

export interface GitState {
  readonly gitCommit?: string;
  /** Whether the folder holds anything that the commit does not. */
  readonly gitDirty?: boolean;
}

/** Commit and dirty flag of the project's folder; empty without git, outside a repository or before the first commit. */
export async function readGitState(root: string): Promise<GitState> {
  try {
    const gitCommit = (await git(root, 'rev-parse', '--verify', 'HEAD')).trim();
    const isTracked = (await git(root, 'ls-files', '--', PROJECT_FILE)) !== '';
    const changes = await git(root, 'status', '--porcelain', '--', '.', ':(exclude).plumbline');
    return { gitCommit, gitDirty: !isTracked || changes !== '' };
  } catch {
    return {};
  }
}

async function git(root: string, ...command: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', ['-C', root, ...command], {
    timeout: 10_000,
    maxBuffer: 16 * 1024 * 1024,
    // Reading must not contend with the user's own git for its lock.
    env: { ...process.env, GIT_OPTIONAL_LOCKS: '0' },
  });
  return stdout;
}
