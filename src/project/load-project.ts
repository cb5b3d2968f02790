import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '../errors.js';
import { ALERT_KINDS, type AlertsConfig, type Project } from '../model/project.js';
import { assertDeclared } from './declared-environment.js';
import { parseDuration } from './duration.js';
import { parseYaml, positionAt, type LocatedYaml } from './located-yaml.js';
import { overlayEnvironment } from './overlay-environment.js';
import { throwProblems, type Problem } from './problem.js';
import { readText } from './read-text.js';
import { resolveFeatureViews, resolveLabels } from './resolve-features.js';
import { resolveFreshness } from './resolve-freshness.js';
import { resolveMacros } from './resolve-macros.js';
import { resolvePersonal } from './resolve-personal.js';
import { refuseSameTable, resolveResources } from './resolve-resources.js';
import { resolveRetention } from './resolve-retention.js';
import { resolveSchedules } from './resolve-schedules.js';
import { resolveSeeds } from './resolve-seeds.js';
import { resolveTrain } from './resolve-train.js';
import { resolveTransforms } from './resolve-transforms.js';
import { resolveUnitTests } from './resolve-unit-tests.js';
import { RESERVED_ENVIRONMENTS, schemaNames } from './schema-names.js';
import { describeIssues } from './schema/describe-issues.js';
import { projectSchema, SECTIONS, type ProjectYaml } from './schema/project.js';

export const PROJECT_FILE = 'plumbline.yaml';

/**
 * The project in `root` for one environment, every default filled in, every name checked. Reads plumbline.yaml, sql/,
 * macros/, the names in seeds/, features/, tests/unit/ and the labels; no data, no network. Throws one TerminalError PROJECT_* whose `details.problems` holds all
 * that is wrong; no retry helps.
 * @param options.env `dev`, or one that `environments:` declares. @default 'dev'
 */
export async function loadProject(options: { readonly root: string; readonly env?: string }): Promise<Project> {
  const { root, env = 'dev' } = options;
  const yaml = await readProjectYaml(root);
  const { located, project } = checkEnvironments(yaml, env);
  if (project.database !== undefined) throw databaseIsLater(located, env);

  const problems: Problem[] = [];
  const defaults: string[] = [];
  const report = (problem: Problem): void => void problems.push(problem);
  const applied = (line: string): void => void defaults.push(line);
  const scope = { root, yaml: located, project, report, applied };

  const loaded = [...(await resolveResources(project.sources ?? {}, scope)), ...(await resolveSeeds(scope))];
  refuseSameTable(loaded, report);
  const freshness = resolveFreshness(loaded, scope);
  const macros = await resolveMacros(scope);
  const seeds = loaded.flatMap(({ isSeed, table }) => (isSeed === true ? [table] : []));
  const read = loaded.filter(({ isSeed }) => isSeed !== true).map(({ id }) => id);
  const transforms = await resolveTransforms({ ...scope, seeds, resources: read });
  const { personal, resources } = resolvePersonal(project.personal ?? {}, { ...scope, loaded, transforms });
  const features = await resolveFeatureViews(scope);
  const labels =
    project.train === undefined ? undefined : await resolveLabels({ ...scope, labels: project.train.labels });
  const train =
    project.train === undefined || labels === undefined
      ? undefined
      : resolveTrain({ ...scope, train: project.train, labels, views: features });
  const models = [...transforms, ...features, ...(labels === undefined ? [] : [labels])].map(({ name }) => name);
  const { timezone, schedules } = resolveSchedules(project.schedule ?? {}, scope);
  const unitTests = await resolveUnitTests({ ...scope, models, timezone });
  const { retention, collecting } = resolveRetention(project.retention, { ...scope, schedules, timezone });
  throwProblems(problems);

  const { approval, approval_timeout, model } = project.deploy ?? {};
  if (approval === undefined) applied('deploy.approval = none');
  if (approval === 'manual' && approval_timeout === undefined) applied('deploy.approval_timeout = 7d');
  if (model === undefined) applied(`deploy.model = ${project.name}`);
  return {
    name: project.name,
    env,
    schemas: schemaNames(project.name, env),
    vars: project.vars ?? {},
    macros,
    resources,
    freshness,
    transforms,
    features,
    unitTests,
    ...(train === undefined ? {} : { train }),
    deploy: {
      model: model ?? project.name,
      approval: approval ?? 'none',
      approvalTimeoutMs: parseDuration(approval_timeout ?? '7d'),
    },
    schedules: [...schedules, ...collecting],
    retention,
    personal,
    timezone,
    ...(project.alerts === undefined ? {} : { alerts: resolveAlerts(project.alerts) }),
    defaults,
  };
}

function resolveAlerts({ webhook, secret, email, on }: NonNullable<ProjectYaml['alerts']>): AlertsConfig {
  return {
    ...(webhook === undefined ? {} : { webhook }),
    ...(secret === undefined ? {} : { secret }),
    ...(email === undefined ? {} : { email: { ...email, to: [...new Set([email.to].flat())] } }),
    on: on ?? ALERT_KINDS,
  };
}

/** plumbline.yaml with the place of each value, not checked yet. */
export async function readProjectYaml(root: string): Promise<LocatedYaml> {
  let text: string;
  try {
    text = await readText(root, PROJECT_FILE);
  } catch (error) {
    if (!(error instanceof TerminalError) || error.code !== 'PROJECT_FILE_MISSING') throw error;
    const other = await access(join(root, 'plumbline.yml')).then(
      () => true,
      () => false,
    );
    throw new TerminalError(
      'PROJECT_NOT_FOUND',
      `Reading the project failed: there is no ${PROJECT_FILE} in ${root}.`,
      {
        at: { file: PROJECT_FILE },
        next: other
          ? `Rename plumbline.yml to ${PROJECT_FILE}.`
          : 'Change to the folder of a project, or make one with `plumbline init`.',
        cause: error,
      },
    );
  }
  const { yaml, problems } = parseYaml(PROJECT_FILE, text);
  throwProblems(problems);
  return yaml;
}

/** Checks the file as it is and as every declared environment makes it; answers with the one asked for. */
function checkEnvironments(yaml: LocatedYaml, env: string): { located: LocatedYaml; project: ProjectYaml } {
  throwProblems(check(yaml).problems);
  const declared = Object.keys((yaml.value as ProjectYaml).environments ?? {});
  const problems = declared.flatMap((name) => checkOverlay(yaml, name));
  throwProblems(problems);
  assertDeclared(env, declared, PROJECT_FILE);
  const located = overlayEnvironment(yaml, env);
  // Checked above, as one of the declared environments or as the file without any.
  return { located, project: check(located).project! };
}

function check(yaml: LocatedYaml): { readonly project?: ProjectYaml; readonly problems: readonly Problem[] } {
  const parsed = projectSchema.safeParse(yaml.value);
  return parsed.success
    ? { project: parsed.data, problems: [] }
    : { problems: describeIssues(yaml, projectSchema, parsed.error.issues) };
}

function checkOverlay(yaml: LocatedYaml, env: string): readonly Problem[] {
  const path = ['environments', env];
  if (RESERVED_ENVIRONMENTS.includes(env)) {
    return [
      {
        code: 'PROJECT_NAME_TAKEN',
        message: `Reading ${yaml.file} failed: an environment cannot be called ${env}, a schema of every project ends so.`,
        at: positionAt(yaml, path, 'key'),
        next: 'Rename the environment.',
      },
    ];
  }
  const overlay = (yaml.value as ProjectYaml).environments![env]!;
  if (Object.hasOwn(overlay, 'name')) {
    return [
      {
        code: 'PROJECT_KEY_UNKNOWN',
        message: `Reading ${yaml.file} failed: environments.${env} has a "name"; a project has the same name everywhere.`,
        at: positionAt(yaml, [...path, 'name'], 'key'),
        next: `Remove it. An environment may change ${SECTIONS.join(', ')}.`,
      },
    ];
  }
  return check(overlayEnvironment(yaml, env)).problems;
}

/** One worker writes to one database: an environment's own would be written to by whichever worker comes first. */
function databaseIsLater(yaml: LocatedYaml, env: string): TerminalError {
  return new TerminalError(
    'PROJECT_KEY_LATER',
    `Reading ${PROJECT_FILE} for environment ${env} failed: a database of its own is not available in this version of plumbline.`,
    {
      at: positionAt(yaml, ['database']),
      next: 'Remove `database:` and set PLUMBLINE_DATABASE_URL where the command line, the workers and serving start.',
    },
  );
}
