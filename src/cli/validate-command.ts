import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { loadSettings } from '../config.js';
import { TerminalError } from '../errors.js';
import { isGlob } from '../model/is-glob.js';
import type { Project } from '../model/project.js';
import { buildPlugins } from '../project/build-plugins.js';
import { refreshSchema } from '../project/init-project.js';
import { loadProject } from '../project/load-project.js';
import { throwProblems, type Problem } from '../project/problem.js';
import { pc } from './colors.js';
import { checkFunctions } from './check-functions.js';
import { checkSchedules } from './check-schedules.js';
import { compileProject } from './compile-project.js';
import { EXIT } from './print-error.js';
import { plural } from '../model/plural.js';

/** `plumbline validate`: what the project is and which defaults apply, or everything that is wrong with it. */
export async function validateCommand(options: { readonly env: string; readonly json: boolean }): Promise<void> {
  const { root } = await loadSettings({ cwd: process.cwd(), env: process.env });
  await refreshSchema(root);
  let project: Project;
  let notes: readonly string[];
  try {
    ({ project, notes } = await checkedProject(root, options.env));
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === undefined || problems.length < 2 || options.json) throw error;
    for (const problem of problems) process.stderr.write(`${lines(problem)}\n`);
    process.stderr.write(`${problems.length} ${plural(problems.length, 'problem')}\n`);
    process.exitCode = EXIT.failed;
    return;
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ valid: true, project: withoutSql(project) })}\n`);
    return;
  }
  process.stdout.write(`${pc.green('valid')} ${pc.bold(project.name)} · ${project.env}\n${describe(project)}\n`);
  for (const line of [...(await missingData(root, project)), ...notes])
    process.stdout.write(`${pc.yellow('!')} ${line}\n`);
  process.stdout.write(`${pc.dim(['defaults:', ...project.defaults].join('\n  '))}\n`);
}

/** What a run would refuse before it starts, modules that cannot be built and functions that are not there among it. */
async function checkedProject(
  root: string,
  env: string,
): Promise<{ readonly project: Project; readonly notes: readonly string[] }> {
  const problems: Problem[] = [];
  const collect = (error: unknown): undefined => {
    const found = problemsOf(error);
    if (found === undefined) throw error;
    problems.push(...found);
  };
  const project = await loadProject({ root, env }).catch(collect);
  await buildPlugins(root).catch(collect);
  const functions = project === undefined ? undefined : await checkFunctions(root, project);
  problems.push(...(functions?.problems ?? []));
  throwProblems(problems);
  compileProject(project!);
  checkSchedules(project!);
  return { project: project!, notes: functions?.notes ?? [] };
}

function problemsOf(error: unknown): readonly Problem[] | undefined {
  return error instanceof TerminalError ? (error.details['problems'] as readonly Problem[] | undefined) : undefined;
}

function lines({ code, message, at, next }: Problem): string {
  const position = [at.file, at.line, at.column].filter((part) => part !== undefined).join(':');
  return `${pc.red('✗')} ${pc.cyan(position)} (${code})\n  ${message}\n  ${pc.dim('→')} ${next}`;
}

function describe({ resources, transforms, unitTests, features, train, deploy }: Project): string {
  const list = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));
  const tests = transforms.reduce((sum, transform) => sum + transform.tests.length, 0);
  return [
    `  sources     ${list(resources.map(({ id, path, write, http }) => `${id} (${http?.url ?? ''}${path}, ${write})`))}`,
    `  transforms  ${list(transforms.map(({ name }) => name))}${tests === 0 ? '' : ` · ${tests} ${plural(tests, 'test')}`}${unitTests.length === 0 ? '' : ` · ${unitTests.length} unit ${plural(unitTests.length, 'test')}`}`,
    `  features    ${list(features.map(({ name }) => name))}`,
    train === undefined
      ? '  train       none'
      : `  train       ${train.trainer.type} on ${train.labels.file}, test from ${train.split.testFrom}`,
    `  deploy      ${deploy.model}, approval ${deploy.approval}`,
  ].join('\n');
}

/** The data may well come later, or be on the worker's machine only: a note, no error. */
async function missingData(root: string, { resources }: Project): Promise<string[]> {
  const notes = await Promise.all(
    resources.map(async ({ id, path, type }) => {
      if (type !== 'files' || isGlob(path)) return [];
      const isThere = await access(resolve(root, path)).then(
        () => true,
        () => false,
      );
      return isThere ? [] : [`${id}: ${path} is not there`];
    }),
  );
  return notes.flat();
}

function withoutSql(project: Project): unknown {
  return JSON.parse(JSON.stringify(project, (key, value: unknown) => (key === 'sql' ? undefined : value)));
}
