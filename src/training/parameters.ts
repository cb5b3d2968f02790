import { distance } from 'fastest-levenshtein';
import { TerminalError } from '../errors.js';
import { describeRange, fitsRange, type ParameterRange } from '../model/parameter-ranges.js';
import type { TrainerConfig } from '../model/project.js';

export interface ParameterRule extends ParameterRange {
  readonly default: number;
}

/**
 * The trainer's parameters with defaults filled in.
 * Throws `TRAIN_PARAMETER_UNKNOWN` and names the nearest one, or `TRAIN_PARAMETER_INVALID` (both terminal).
 */
export function readParameters<Name extends string>(
  trainer: TrainerConfig,
  rules: Readonly<Record<Name, ParameterRule>>,
): Record<Name, number> {
  const names = Object.keys(rules) as Name[];
  for (const given of Object.keys(trainer.parameters)) {
    if ((names as string[]).includes(given)) continue;
    const nearest = [...names].sort((a, b) => distance(given, a) - distance(given, b))[0];
    throw new TerminalError('TRAIN_PARAMETER_UNKNOWN', `The trainer ${trainer.type} has no parameter "${given}".`, {
      details: { trainer: trainer.type, parameter: given, accepted: names },
      next: `Use one of ${names.join(', ')}${nearest === undefined ? '' : ` (nearest: ${nearest})`}.`,
    });
  }
  const values = {} as Record<Name, number>;
  for (const name of names) {
    const rule = rules[name];
    const value = trainer.parameters[name] ?? rule.default;
    if (!fitsRange(value, rule)) {
      throw new TerminalError(
        'TRAIN_PARAMETER_INVALID',
        `The parameter ${name} of the trainer ${trainer.type} is ${String(value)}; expected ${describeRange(rule)}.`,
        { details: { trainer: trainer.type, parameter: name, value }, next: `Change ${name} under train.trainer.` },
      );
    }
    values[name] = value;
  }
  return values;
}
