import { loadProject, readProjectYaml } from './load-project.js';
import { projectSchema } from './schema/project.js';

/**
 * The name of the project in `root`, for commands that ask about its past: a file that is wrong elsewhere does not stop
 * them. Throws as `loadProject` does when there is no name to be had.
 */
export async function projectName(root: string): Promise<string> {
  const { value } = await readProjectYaml(root);
  const name = projectSchema.shape.name.safeParse((value as { name?: unknown } | null)?.name);
  return name.success ? name.data : (await loadProject({ root })).name;
}
