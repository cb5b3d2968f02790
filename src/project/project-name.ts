import { assertDeclared } from './declared-environment.js';
import { loadProject, readProjectYaml } from './load-project.js';
import { projectSchema } from './schema/project.js';

/**
 * The name of the project in `root`, for commands that ask about its past: a file that is wrong elsewhere does not stop
 * them. Throws as `loadProject` does when there is no name to be had, or the file does not declare `env`.
 */
export async function projectName(root: string, env = 'dev'): Promise<string> {
  const { value, file } = await readProjectYaml(root);
  const { name: written, environments } = (value ?? {}) as { name?: unknown; environments?: unknown };
  assertDeclared(env, Object.keys(environments ?? {}), file);
  const name = projectSchema.shape.name.safeParse(written);
  return name.success ? name.data : (await loadProject({ root })).name;
}
