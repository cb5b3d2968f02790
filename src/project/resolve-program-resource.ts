import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject, ResourceConfig, WriteDisposition } from '../model/project.js';
import { positionAt } from './located-yaml.js';
import type { Problem } from './problem.js';
import { resolveColumns } from './resolve-columns.js';
import type { ResourcePlace, ResourceScope } from './resolve-resources.js';
import type { PluginSourceYaml, ProgramResourceYaml, PythonSourceYaml } from './schema/program-source.js';
import { parseShare } from './share.js';

export type ProgramPlace = ResourcePlace<
  (Omit<PythonSourceYaml, 'resources'> | Omit<PluginSourceYaml, 'resources'>) & ProgramResourceYaml
>;

/** A resource of a source that is code of the project; empty when something is wrong, which is reported. */
export function resolveProgramResource(
  { source, id, table, given, path }: ProgramPlace,
  { root, yaml, report, applied }: ResourceScope,
): ResourceConfig[] {
  const place = path.join('.');
  const refuse = (code: Problem['code'], message: string, key: string, next: string): [] => {
    const at = positionAt(yaml, [...path, key]);
    report({ code, message: `Reading ${yaml.file} failed: ${message}`, at, next });
    return [];
  };
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
  const primaryKey = [given.primary_key ?? []].flat();
  if (given.write === 'merge' && primaryKey.length === 0)
    return refuse(
      'PROJECT_KEY_MISSING',
      `${place} is merged and has no "primary_key".`,
      'write',
      'Add `primary_key:`, or write: replace.',
    );
  const write: WriteDisposition = given.write ?? (primaryKey.length === 0 ? 'replace' : 'merge');
  if (given.write === undefined)
    applied(`${place}.write = ${write} (${primaryKey.length === 0 ? 'there is no' : 'there is a'} primary_key)`);
  if (given.function === undefined) applied(`${place}.function = ${nameOf(id, source)}`);
  if (given.type === 'python' && python === undefined)
    applied(`${place}.python = .venv/bin/python if there is one, else python3`);
  if (given.max_rejected === undefined) applied(`${place}.max_rejected = 1%`);
  if (given.columns === undefined) applied(`${place}.columns = inferred`);
  return [
    {
      id,
      source,
      table,
      type: given.type,
      path: file,
      format: 'ndjson',
      write,
      primaryKey,
      columns: resolveColumns(given.columns),
      maxRejectedShare: parseShare(given.max_rejected ?? 0.01),
      program: {
        function: given.function ?? nameOf(id, source),
        ...(python !== undefined && { python }),
        env: given.env ?? {},
        // YAML gives nothing that JSON has not.
        config: (given.config ?? {}) as JsonObject,
      },
      allowEmpty: given.allow_empty ?? false,
      at: { file: yaml.file, line: positionAt(yaml, path, 'key').line ?? 1 },
    },
  ];
}

const SECRET = /token|secret|passw|api_?key|credential/i;
const REFERENCE = /^(env|file):/;

function nameOf(id: string, source: string): string {
  return id === source ? source : id.slice(source.length + 1);
}
