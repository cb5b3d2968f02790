/** How a source's program is started. */
export interface ProgramStart {
  readonly command: readonly [string, ...string[]];
  /** What it needs in its environment, beside what is declared. */
  readonly environment: Readonly<Record<string, string>>;
  /** What to do when it cannot be started. */
  readonly next: string;
}
