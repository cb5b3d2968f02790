/** How a program ended, or why it could not be started. */
export type GuardReport =
  | { readonly exitCode: number | null; readonly signal: NodeJS.Signals | null }
  | { readonly error: string; readonly code: string | undefined };
