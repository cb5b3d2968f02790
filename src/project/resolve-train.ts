import type {
  BaselineConfig,
  FeatureViewFile,
  GateConfig,
  LabelsFile,
  TrainConfig,
  TrainerConfig,
} from '../model/project.js';
import { parseDuration } from './duration.js';
import { positionAt, type LocatedYaml, type Path } from './located-yaml.js';
import { didYouMean } from '../model/nearest.js';
import type { Problem } from './problem.js';
import type { TrainYaml } from './schema/train.js';
import { parseShare } from './share.js';

interface Options {
  readonly yaml: LocatedYaml;
  readonly train: TrainYaml;
  readonly labels: LabelsFile;
  readonly views: readonly FeatureViewFile[];
  readonly report: (problem: Problem) => void;
  readonly applied: (line: string) => void;
}

/** `train` with its defaults filled in and its names checked. */
export function resolveTrain(options: Options): TrainConfig {
  const { train, labels, applied, report, yaml } = options;
  checkViews(train.features, ['train', 'features'], options);
  for (const [name, variant] of Object.entries(train.variants ?? {})) {
    checkViews(variant.features, ['train', 'variants', name, 'features'], options);
    if (name === 'main') {
      report({
        code: 'PROJECT_NAME_TAKEN',
        message: `Reading ${yaml.file} failed: the variant "main" has the name of the model's own feature list.`,
        at: positionAt(yaml, ['train', 'variants', name], 'key'),
        next: 'Rename the variant.',
      });
    }
  }
  const trainer = resolveTrainer(train.trainer);
  if (train.trainer === undefined) applied('train.trainer = gradient_boosting');
  if (train.baselines === undefined) applied('train.baselines = mean (majority when the target is yes or no)');
  if (train.gates === undefined) applied('train.gates = better than the baseline, better than the champion');
  if (train.seed === undefined) applied('train.seed = 0');
  return {
    labels,
    features: train.features,
    // The schema asks for one of the two.
    split: { by: 'time', testFrom: (train.split?.test_from ?? train.test_from)! },
    trainer,
    variants: Object.entries(train.variants ?? {}).map(([name, { features }]) => ({ name, features })),
    baselines: (train.baselines ?? ['mean']).map(resolveBaseline),
    gates: train.gates === undefined ? DEFAULT_GATES : train.gates.map(resolveGate),
    seed: train.seed ?? 0,
  };
}

/** `default` is rmse for a number and log loss for yes and no; which of the two, the data say. */
const DEFAULT_GATES: readonly GateConfig[] = [
  { metric: 'default', betterThan: 'baseline', by: 0 },
  { metric: 'default', betterThan: 'champion', by: 0 },
];

function resolveTrainer(given: TrainYaml['trainer']): TrainerConfig {
  if (given === undefined) return { type: 'gradient_boosting', parameters: {} };
  if (typeof given === 'string') return { type: given, parameters: {} };
  const { type, ...parameters } = given;
  return {
    type,
    parameters: Object.fromEntries(Object.entries(parameters).map(([name, value]) => [camelCase(name), value])),
  };
}

function resolveBaseline(given: NonNullable<TrainYaml['baselines']>[number]): BaselineConfig {
  return typeof given === 'string'
    ? { type: given }
    : { type: 'seasonal_naive', periodMs: parseDuration(given.seasonal_naive) };
}

function resolveGate({ metric, better_than, by }: NonNullable<TrainYaml['gates']>[number]): GateConfig {
  return { metric: camelCase(metric), betterThan: better_than, by: parseShare(by ?? 0) };
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}

function checkViews(features: readonly string[], path: Path, { yaml, views, report }: Options): void {
  const names = views.map(({ name }) => name);
  features.forEach((feature, index) => {
    const at = positionAt(yaml, [...path, index]);
    if (features.indexOf(feature) !== index) {
      report({
        code: 'PROJECT_NAME_TAKEN',
        message: `Reading ${yaml.file} failed: ${path.join('.')} names ${feature} twice.`,
        at,
        next: 'Remove one of the two.',
      });
    }
    if (names.includes(feature)) return;
    report({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      message: `Reading ${yaml.file} failed: there is no feature view features/${feature}.sql${didYouMean(feature, names) || '.'}`,
      at,
      next: names.length === 0 ? `Add features/${feature}.sql.` : `Name one of ${names.join(', ')}, or add the file.`,
    });
  });
}
