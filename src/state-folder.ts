import { chmod, mkdir, stat } from 'node:fs/promises';

/**
 * Makes `.plumbline`, or closes the one that this user has: a password, predictions and models lie in it. Root's
 * PostgreSQL runs as another user, who must be able to pass.
 */
export async function makeStateFolder(stateDir: string): Promise<void> {
  const user = process.getuid?.();
  const mode = user === 0 ? 0o711 : 0o700;
  await mkdir(stateDir, { recursive: true, mode });
  const found = await stat(stateDir);
  if (found.uid === user && (found.mode & 0o777) !== mode) await chmod(stateDir, mode);
}
