import type { PlanLine } from '../contracts/run.js';
import type { RegisteredModel } from '../contracts/training.js';
import { stepNames } from '../contracts/step-names.js';
import { readDecision } from '../deployment/decisions.js';
import { readHeldBack } from '../deployment/held-back.js';
import { readPointer } from '../deployment/read-versions.js';
import type { Queryable } from '../model/database.js';
import type { Project } from '../model/project.js';

/**
 * What a run would do with the version it ends with.
 *
 * @param registered undefined when a version is yet to be judged
 */
export async function explainDeployment(
  database: Queryable,
  project: Project,
  registered: RegisteredModel | undefined,
): Promise<PlanLine> {
  const { approval, model } = project.deploy;
  const line = (action: PlanLine['action'], reason: string): PlanLine => ({ step: stepNames.deploy, action, reason });
  if (registered === undefined)
    return line('run', `after ${stepNames.register}, if the gates pass; approval: ${approval}`);
  const { version, gates } = registered;
  const failed = gates.filter((gate) => !gate.passed);
  if (failed.length > 0)
    return line('skip', `v${version} failed its gates: ${failed.map(({ reason }) => reason).join('; ')}`);
  const key = { env: project.env, project: project.name, model };
  if (approval === 'manual') {
    const decision = await readDecision({ database, key, version });
    if (decision === undefined)
      return line('run', `v${version} waits for \`plumbline models approve ${model} ${version}\``);
    if (decision.kind === 'reject')
      return line('skip', `v${version} was rejected by ${decision.who}: ${decision.reason}`);
  }
  const pointer = await readPointer(database, key);
  if (pointer?.version === version) return line('reuse', `v${version} serves already`);
  const back = approval === 'none' ? await readHeldBack(database, key, version) : undefined;
  if (back !== undefined) return line('skip', `v${version} was rolled back by ${back.who}: ${back.reason}`);
  return line('run', `v${version} does not serve yet; approval: ${approval}`);
}
