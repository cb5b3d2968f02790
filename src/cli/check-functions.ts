import { closest } from 'fastest-levenshtein';
import { pythonFunctions } from '../elt/program/python-functions.js';
import type { Project, ResourceConfig } from '../model/project.js';
import type { Problem } from '../project/problem.js';

/** What is wrong with the functions that Python sources name, and one sentence for each that could not be looked for. Runs none of their code. */
export async function checkFunctions(
  root: string,
  { resources }: Pick<Project, 'resources'>,
): Promise<{ readonly problems: readonly Problem[]; readonly notes: readonly string[] }> {
  const problems: Problem[] = [];
  const notes: string[] = [];
  const scripts = new Map<string, ResourceConfig[]>();
  for (const resource of resources) {
    if (resource.type !== 'python') continue;
    const script = JSON.stringify([resource.path, resource.program!.python]);
    scripts.set(script, [...(scripts.get(script) ?? []), resource]);
  }
  for (const group of scripts.values()) {
    const { path: script, program } = group[0]!;
    const found = await pythonFunctions(root, script, program!.python);
    if ('syntax' in found) {
      const { line, message } = found.syntax;
      problems.push({
        code: 'PROJECT_PYTHON_SYNTAX',
        message: `Reading ${script} failed: ${message}.`,
        at: { file: script, line },
        next: 'Correct the script.',
      });
    } else if ('unread' in found) notes.push(`${script}: its functions were not checked, as ${found.unread}`);
    else if (!found.isOpen) problems.push(...group.flatMap((resource) => unknownFunction(resource, found.names)));
  }
  return { problems, notes };
}

function unknownFunction({ id, path, program, at }: ResourceConfig, names: readonly string[]): Problem[] {
  const { function: name } = program!;
  if (names.includes(name)) return [];
  return [
    {
      code: 'PROJECT_FUNCTION_UNKNOWN',
      message: `Reading ${at.file} failed: ${id} is read by function ${name} of ${path}, and there is none.`,
      at,
      next: names.length === 0 ? `Write \`def ${name}():\`.` : `Nearest name: ${closest(name, [...names])}. Correct \`function\`, or write \`def ${name}():\`.`, // prettier-ignore
    },
  ];
}
