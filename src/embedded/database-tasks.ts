/** What needs a connection to PostgreSQL; the caller gives it, since this folder holds none. */
export interface DatabaseTasks {
  /** Creates the database when it is missing, through one that exists. */
  create(adminUrl: string, name: string): Promise<void>;
  /** Gives the names of the migrations that were applied now. */
  migrate(url: string): Promise<readonly string[]>;
  /** Whether the worker with this process number on this machine has stamped its row within 10 s. */
  workerSeen(url: string, pid: number): Promise<boolean>;
}
