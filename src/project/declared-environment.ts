import { TerminalError } from '../errors.js';
import { didYouMean } from '../model/nearest.js';
import { ENVIRONMENT } from './schema/project.js';

/** Throws PROJECT_REFERENCE_UNKNOWN, with those there are, unless `env` is `dev` or one of `declared`. */
export function assertDeclared(env: string, declared: readonly string[], file: string): void {
  const known = ['dev', ...declared];
  if (known.includes(env)) return;
  const hint = didYouMean(env, known);
  throw new TerminalError(
    'PROJECT_REFERENCE_UNKNOWN',
    `Choosing the environment ${JSON.stringify(env)} failed: ${file} does not declare it${hint || '.'}`,
    {
      at: { file },
      next: ENVIRONMENT.test(env)
        ? `Use one of ${known.join(', ')}, or add \`environments: { ${env}: {} }\`.`
        : `Use one of ${known.join(', ')}.`,
    },
  );
}
