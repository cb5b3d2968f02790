export const embeddedErrorCodes = {
  EMBEDDED_BINARY_NOT_FOUND:
    'A server program is neither on this machine nor could it be fetched; the message lists every way tried.',
  EMBEDDED_BINARY_UNUSABLE:
    'The program named by an environment variable is missing or cannot be executed; correct the variable.',
  EMBEDDED_BINARY_HASH:
    'A downloaded program differs from the SHA-256 pinned in embedded-binaries.json; it is refused.',
  EMBEDDED_PLATFORM:
    'No embedded PostgreSQL exists for this operating system; set PLUMBLINE_DATABASE_URL to a server of your own.',
  EMBEDDED_PORT_TAKEN: 'A port asked for by name is used by another program; free it or choose another.',
  EMBEDDED_LOCKED: 'Another `up` or `down` of this project has been at work for too long; wait for it or end it.',
  EMBEDDED_START_FAILED: 'A part of the stack did not become ready; its log is named in the message.',
  EMBEDDED_POSTGRES_FOLDER: 'The system user that runs PostgreSQL for root cannot reach a folder it needs.',
  EMBEDDED_POSTGRES_DATA:
    "The project's database is there, but root's PostgreSQL user may not use it; the message says whose it is. Nothing is changed.",
  EMBEDDED_STOP_FAILED: 'A process of the stack is still there after SIGKILL; the message names it.',
} as const;
