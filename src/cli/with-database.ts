import { connectDatabase } from '../client/connect.js';
import { loadSettings, type Settings } from '../config.js';
import { projectName } from '../project/project-name.js';
import type { OpenDatabase } from '../storage/database.js';

export interface ProjectDatabase {
  readonly settings: Settings;
  readonly database: OpenDatabase;
  readonly env: string;
  readonly project: string;
}

/** PostgreSQL for a command that reads what is recorded of this folder's project; closed afterwards. */
export async function withProjectDatabase(env: string, work: (scope: ProjectDatabase) => Promise<void>): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const database = connectDatabase(settings);
  try {
    await work({ settings, database, env, project: await projectName(settings.root, env) });
  } finally {
    await database.close();
  }
}
