import type { TrainerConfig } from '../../model/project.js';
import type { TrainingSet } from '../../model/training-set.js';
import type { BaselineResult } from '../baselines/evaluate-baselines.js';
import type { GateResult } from '../gates/evaluate-gates.js';
import type { FeatureImportance } from '../trained-model.js';

export interface ModelCard {
  readonly name: string;
  readonly trainer: TrainerConfig['type'];
  readonly parameters: Readonly<Record<string, number>>;
  readonly seed: number;
  readonly trainingSet: TrainingSet;
  readonly metrics: Readonly<Record<string, number>>;
  readonly trainMetrics: Readonly<Record<string, number>>;
  readonly baselines: readonly BaselineResult[];
  readonly gates: readonly GateResult[];
  readonly importance: readonly FeatureImportance[];
  /** Shown as they are, beside those of the training set. */
  readonly assumptions?: readonly string[];
  /** Serving's runtime against the trainer's own predictions of the held-out rows. */
  readonly parity: { readonly maxDelta: number; readonly rows: number };
  /** Other models trained beside it, e.g. `with weather` → its metrics, and what these take for granted. */
  readonly others?: readonly {
    readonly name: string;
    readonly metrics: Readonly<Record<string, number>>;
    readonly assumptions: readonly string[];
  }[];
}

/**
 * A model on one Markdown page: what it predicts, from what, how well, and under which assumptions. The title is the name
 * alone: the registry gives the number later, and adds it whenever the card is read.
 */
export function renderModelCard(card: ModelCard): string {
  const { trainingSet } = card;
  const own = [...trainingSet.assumptions, ...(card.assumptions ?? [])];
  const assumptions = [...own, ...assumptionsOfOthers(card, own)];
  return [
    `# ${text(card.name)}`,
    `A ${card.trainer} model of \`${code(trainingSet.target)}\` (${trainingSet.task}), predicted ${hours(trainingSet.horizonMs)} before ` +
      `\`${code(trainingSet.labelTime)}\`.`,
    '## How well',
    metricsTable(card),
    parityLine(card.parity),
    ...(card.gates.length === 0 ? [] : ['## Gates', gateList(card.gates)]),
    '## From what',
    `${trainingSet.trainRows} training rows, and ${trainingSet.testRows} held-out rows from ${text(trainingSet.testFrom)} on. ` +
      `Training set \`${trainingSet.artifact.sha256}\`.`,
    importanceTable(card),
    ...(Object.keys(trainingSet.inputs).length === 0 ? [] : [inputsTable(trainingSet)]),
    '## Assumptions',
    assumptions.length === 0 ? 'None declared.' : assumptions.map((line) => `- ${text(line)}`).join('\n'),
    '## How it was made',
    table(
      ['parameter', 'value'],
      [...Object.entries(card.parameters), ['seed', card.seed] as const].map(([name, value]) => [
        text(name),
        String(value),
      ]),
    ),
    'Preprocessing is part of the ONNX graph. A missing text is the empty text; a category not seen in training, or too rare for `max_categories`, counts as missing.',
  ]
    .join('\n\n')
    .concat('\n');
}

function metricsTable(card: ModelCard): string {
  const names = Object.keys(card.metrics);
  const row = (label: string, metrics: Readonly<Record<string, number>>, rows: string): string[] => [
    label,
    ...names.map((name) => number(metrics[name])),
    rows,
  ];
  return table(
    ['', ...names, 'rows'],
    [
      row('**this model, held out**', card.metrics, String(card.trainingSet.testRows)),
      row('this model, training', card.trainMetrics, String(card.trainingSet.trainRows)),
      ...(card.others ?? []).map((other) => row(text(other.name), other.metrics, String(card.trainingSet.testRows))),
      ...card.baselines.map((one) => row(`${text(one.name)}: ${text(one.note)}`, one.metrics, String(one.rows))),
    ],
  );
}

/** Their metrics stand beside the model's, so what only they assume has to be said too. */
function assumptionsOfOthers({ others = [] }: ModelCard, own: readonly string[]): string[] {
  return others.flatMap(({ name, assumptions }) =>
    assumptions.filter((line) => !own.includes(line)).map((line) => `${name} only: ${line}`),
  );
}

function parityLine({ maxDelta, rows }: ModelCard['parity']): string {
  return `Serving gives the trainer's own predictions of ${rows} held-out rows; the largest difference is ${number(maxDelta)}.`;
}

function gateList(gates: readonly GateResult[]): string {
  return gates
    .map((gate) => `- ${gate.passed ? 'passed' : '**failed**'}: ${text(gate.gate)} (${text(gate.reason)})`)
    .join('\n');
}

function importanceTable(card: ModelCard): string {
  const total = card.importance.reduce((sum, one) => sum + one.gain, 0);
  const features = new Map(card.trainingSet.features.map((feature) => [feature.name, feature]));
  return table(
    ['feature', 'view', 'kind', 'missing', 'importance'],
    card.importance.map(({ feature, gain }) => {
      const column = features.get(feature);
      return [
        `\`${code(feature)}\``,
        text(column?.view ?? ''),
        column?.kind ?? '',
        column === undefined ? '' : percent(column.nullShare),
        total === 0 ? '0 %' : percent(gain / total),
      ];
    }),
  );
}

function inputsTable(trainingSet: TrainingSet): string {
  return table(
    ['built from', 'version'],
    Object.entries(trainingSet.inputs).map(([name, version]) => [`\`${code(name)}\``, `\`${code(version)}\``]),
  );
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Names come from users: nothing in them may end a cell, start a heading or become HTML. */
function text(value: string): string {
  return value.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]<>#|]/g, '\\$&');
}

/** Inside back-ticks; a pipe would still end a table's cell. */
function code(value: string): string {
  return value.replace(/\s+/g, ' ').replaceAll('`', "'").replaceAll('|', '\\|');
}

function number(value: number | undefined): string {
  return value === undefined ? '' : String(Number(value.toPrecision(5)));
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}

function hours(ms: number): string {
  return `${Number((ms / 3_600_000).toFixed(2))} h`;
}
