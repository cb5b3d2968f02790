const INHERITED = /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR|PLUMBLINE_STACK)$/;

/**
 * What a program may see of the worker's environment, with what is declared for it: where programs, home, temporary
 * files, language and time zone are, and the mark by which `plumbline down` finds the processes of its stack. No secret
 * of the worker's is among them.
 */
export function childEnvironment(
  worker: Readonly<NodeJS.ProcessEnv>,
  declared: Readonly<Record<string, string>>,
): Record<string, string> {
  const inherited = Object.entries(worker).filter(([name, value]) => value !== undefined && INHERITED.test(name));
  return { ...(Object.fromEntries(inherited) as Record<string, string>), ...declared };
}
