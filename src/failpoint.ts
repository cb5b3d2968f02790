import { appendFileSync, readFileSync } from 'node:fs';

/**
 * Named points at which crash tests kill, freeze or fail this process. Nothing happens unless PLUMBLINE_FAILPOINTS
 * names the point: `load.after-copy=kill`, `publish.before-commit=stop@2` (the second time it is reached), comma-separated.
 * With PLUMBLINE_FAILPOINT_LOG each one that is taken appends its name to that file, so a test can tell it was reached.
 */
export async function failpoint(name: string): Promise<void> {
  const setting = process.env['PLUMBLINE_FAILPOINTS'];
  if (setting === undefined || setting === '') return;
  const rule = parse(setting).get(name);
  if (rule === undefined) return;
  const count = (reached.get(name) ?? 0) + 1;
  reached.set(name, count);
  if (count !== rule.at) return;
  const log = process.env['PLUMBLINE_FAILPOINT_LOG'];
  if (log !== undefined) {
    // A once-only point must not fire again in the process that takes over.
    if (alreadyTaken(log, name)) return;
    appendFileSync(log, `${name}\n`);
  }
  if (rule.action === 'error') throw new Error(`failpoint ${name}`);
  process.kill(process.pid, rule.action === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  // Signals are delivered asynchronously: nothing after this point may run before they are.
  await new Promise((resolve) => setTimeout(resolve, 50));
}

type Action = 'kill' | 'stop' | 'error';
const reached = new Map<string, number>();

function alreadyTaken(log: string, name: string): boolean {
  try {
    return readFileSync(log, 'utf8').split('\n').includes(name);
  } catch {
    return false;
  }
}

function parse(setting: string): Map<string, { action: Action; at: number }> {
  const rules = new Map<string, { action: Action; at: number }>();
  for (const part of setting.split(',')) {
    const match = /^([\w.-]+)=(kill|stop|error)(?:@(\d+))?$/.exec(part.trim());
    if (match === null)
      throw new Error(`PLUMBLINE_FAILPOINTS: expected name=kill|stop|error[@count], got ${JSON.stringify(part)}`);
    rules.set(match[1]!, { action: match[2] as Action, at: Number(match[3] ?? 1) });
  }
  return rules;
}
