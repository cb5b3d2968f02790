import { loadSettings } from '../config.js';
import { pc } from './colors.js';
import { diagnose, type Check } from './diagnose.js';
import { EXIT } from './print-error.js';

export async function doctorCommand(options: { json: boolean }): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const checks: Check[] = [];
  for (const pending of diagnose(settings, process.env)) {
    const check = await pending;
    checks.push(check);
    if (!options.json) process.stdout.write(`${render(check)}\n`);
  }
  const isWell = checks.every(({ ok }) => ok);
  if (options.json) process.stdout.write(`${JSON.stringify({ ok: isWell, checks })}\n`);
  if (!isWell) process.exitCode = EXIT.unreachable;
}

function render({ name, ok, found, next }: Check): string {
  const line = `${ok ? pc.green('✓') : pc.red('✗')} ${name.padEnd(16)} ${found}`;
  return next === undefined ? line : `${line}\n  ${pc.dim('→')} ${next}`;
}
