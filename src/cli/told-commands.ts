import type { Command } from 'commander';

let environment: string | undefined;
/** Commands that are about one environment, dev where none is given: `models list`. */
let ofOneEnvironment: ReadonlySet<string> = new Set();

/** The commands that there are to be told. */
export function knowCommands(program: Command): void {
  ofOneEnvironment = new Set(pathsOf(program, ''));
}

function pathsOf(command: Command, path: string): string[] {
  const isOfOne = command.options.some(({ long, defaultValue }) => long === '--env' && defaultValue !== undefined);
  return [
    ...(isOfOne ? [path] : []),
    ...command.commands.flatMap((child) => pathsOf(child, `${path} ${child.name()}`.trim())),
  ];
}

/** From now on commands that are told name this environment, as what they are told about is in it. */
export function tellFor(env: string | undefined): void {
  environment = env;
}

/** Prints what is somebody's data: commands in it stay as they are. */
export function asItIs(print: () => void): void {
  const before = environment;
  environment = undefined;
  try {
    print();
  } finally {
    environment = before;
  }
}

/** The text with the environment behind the commands in it, where it is another than what they take by themselves. */
export function told(text: string): string {
  if (environment === undefined || environment === 'dev') return text;
  return text.replaceAll(/`plumbline ([^`\n]+)`/g, (whole, words: string) => {
    const [first, second] = words.split(' ');
    const isOfOne = ofOneEnvironment.has(first!) || ofOneEnvironment.has(`${first} ${second}`);
    if (!isOfOne || words.includes('--env')) return whole;
    const [command, ...target] = words.split(' > ');
    return `\`plumbline ${[`${command} --env ${environment}`, ...target].join(' > ')}\``;
  });
}
