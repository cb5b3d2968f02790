import type { RunPlan, RunRef, Stage } from '../contracts/run.js';
import { stepNames } from '../contracts/step-names.js';
import type { Project } from '../model/project.js';
import { selectedSteps } from './selected-steps.js';

/** What the workflows go by: names and order. */
export function createPlan(
  project: Project,
  run: Pick<RunRef, 'only' | 'select' | 'exclude' | 'rejects' | 'interval'>,
): RunPlan {
  const { resources, nodes } = selectedSteps(project, run);
  const isBuilt = (name: string): boolean => nodes.some((node) => node.name === name);
  const isLoaded = (id: string): boolean => resources.some(({ resource }) => resource.id === id);
  const { train } = project;
  const waiting = resources.filter(({ after }) => after.length > 0);
  return {
    resources: resources.map(({ resource }) => resource.id),
    ...(waiting.length === 0
      ? {}
      : {
          resourcesAfter: Object.fromEntries(
            waiting.map(({ resource, after }) => [resource.id, after.filter(isLoaded)]),
          ),
        }),
    transforms: nodes.map((node) => ({ name: node.name, after: node.deps.filter(isBuilt) })),
    transformReads: Object.fromEntries(nodes.map((node) => [node.name, node.sources.filter(isLoaded)])),
    ...(train === undefined
      ? {}
      : {
          train: {
            sets: ['main', ...train.variants.map((variant) => variant.name)],
            trainer: train.trainer.type,
            ...(train.trainer.type === 'gradient_boosting' ? { comparison: 'linear' } : {}),
          },
        }),
    deploy: project.deploy,
  };
}

/** The steps of some stages, in the order people see them. */
export function plannedSteps(plan: RunPlan, stages: readonly Stage[]): { step: string; stage: Stage }[] {
  const steps: { step: string; stage: Stage }[] = [];
  const add = (stage: Stage, ...names: string[]): void => {
    if (stages.includes(stage)) steps.push(...names.map((step) => ({ step, stage })));
  };
  add('elt', ...plan.resources.map(stepNames.load), ...plan.transforms.map(({ name }) => stepNames.transform(name)));
  if (plan.train !== undefined) {
    const { sets, trainer, comparison } = plan.train;
    add('features', ...sets.map(stepNames.features));
    add('training', stepNames.baselines, ...sets.map((set) => stepNames.train(set, trainer)));
    if (comparison !== undefined) add('training', stepNames.train('main', comparison));
    add('training', stepNames.register);
    add('deployment', stepNames.deploy);
  }
  return steps;
}
