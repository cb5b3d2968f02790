import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject, ResourceConfig } from '../model/project.js';
import { positionAt } from './located-yaml.js';
import { resolveChildren } from './resolve-children.js';
import { resolveLoad } from './resolve-load.js';
import type { ResourcePlace, ResourceScope } from './resource-place.js';
import type { PluginSourceYaml, ProgramResourceYaml, PythonSourceYaml } from './schema/program-source.js';

export type ProgramPlace = ResourcePlace<
  (Omit<PythonSourceYaml, 'resources'> | Omit<PluginSourceYaml, 'resources'>) & ProgramResourceYaml
>;

/** A resource of a source that is code of the project; empty when something is wrong, which is reported. */
export function resolveProgramResource(resource: ProgramPlace, scope: ResourceScope): ResourceConfig[] {
  const { source, id, table, given, path } = resource;
  const { root, yaml, report, applied } = scope;
  const place = path.join('.');
  const [key, file] = given.type === 'python' ? ['script', given.script] : ['module', given.module];
  const python = given.type === 'python' ? given.python : undefined;
  // Any other module is a package, which is there when the code is packed and not where it is unpacked.
  if (/\.(py|[cm]?[jt]s)$/.test(file) && !existsSync(join(root, file))) {
    report({
      code: 'PROJECT_FILE_MISSING',
      message: `Reading ${yaml.file} failed: sources.${source}.${key} names ${file}, and there is no such file.`,
      at: positionAt(yaml, ['sources', source, key]),
      next: 'Correct the name, or add the file.',
    });
    return [];
  }
  const exposed = Object.entries(given.env ?? {}).find(([name, value]) => SECRET.test(name) && !REFERENCE.test(value));
  if (exposed !== undefined) {
    const [name] = exposed;
    report({
      code: 'PROJECT_SECRET_IN_FILE',
      message: `Reading ${yaml.file} failed: sources.${source}.env.${name} is written out, expected env:NAME or file:path.`,
      at: positionAt(yaml, ['sources', source, 'env', name]),
      next: 'Put it into an environment variable and write env:NAME here, or into a file and write file:path.',
    });
    return [];
  }
  const isKeyed = given.primary_key !== undefined;
  const load = resolveLoad(resource, scope, {
    write: isKeyed ? 'merge' : 'replace',
    why: `there is ${isKeyed ? 'a' : 'no'} primary_key`,
    // It goes on from a checkpoint if it sets any.
    isPartial: 'unknown',
    columns: 'inferred',
  });
  if (load === undefined) return [];
  const children = resolveChildren(resource, scope, load);
  if (given.function === undefined) applied(`${place}.function = ${nameOf(id, source)}`);
  if (given.type === 'python' && python === undefined)
    applied(`${place}.python = .venv/bin/python if there is one, else python3`);
  return [
    {
      id,
      source,
      table,
      type: given.type,
      path: file,
      format: 'ndjson',
      ...load,
      ...children,
      program: {
        function: given.function ?? nameOf(id, source),
        ...(python !== undefined && { python }),
        env: given.env ?? {},
        // YAML gives nothing that JSON has not.
        config: (given.config ?? {}) as JsonObject,
      },
      allowEmpty: given.allow_empty ?? false,
    },
  ];
}

const SECRET = /token|secret|passw|api_?key|credential/i;
const REFERENCE = /^(env|file):/;

function nameOf(id: string, source: string): string {
  return id === source ? source : id.slice(source.length + 1);
}
