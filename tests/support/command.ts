import { Command } from 'commander';
import { vi } from 'vitest';

/** What a command prints, colours off; it runs in this process. */
export async function printed(register: (program: Command) => void, ...words: string[]): Promise<string> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part);
    return true;
  });
  try {
    const program = new Command().exitOverride();
    register(program);
    await program.parseAsync(['node', 'plumbline', ...words]);
  } finally {
    write.mockRestore();
  }
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/\u001b\[\d+m/g, '');
}
