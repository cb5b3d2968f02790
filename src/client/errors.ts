export const clientErrorCodes = {
  TEMPORAL_UNREACHABLE: 'Temporal did not answer. Start it (`plumbline up`) or check TEMPORAL_ADDRESS.',
  NO_WORKER: 'No worker has given a sign of life in the last seconds, so nothing would run.',
  STORE_DIFFERS:
    'The command and the workers use different artifact stores, so the workers would not find what it puts there.',
  NO_DATABASE: 'No database is configured and no embedded stack runs.',
  RUN_ALREADY_RUNNING: 'The project has a run in progress; one at a time writes its tables.',
  RUN_NOT_FOUND: 'No run has that id.',
  LOAD_NOT_FOUND: 'No load has that number in this project and environment.',
  RUN_ENDED: 'The run has ended already, so there is nothing to cancel. `plumbline runs show` says how it ended.',
  RUN_ENDED_OUTSIDE:
    'The workflow was ended in Temporal (terminated, timed out, or cancelled by somebody), not with plumbline.',
  CLI_OUTPUT: 'The file that `--output` names cannot be written. Name another.',
  QUERY_REFUSED: 'PostgreSQL refused the query of `plumbline sql`; the message is its own.',
  LINEAGE_NOT_FOUND: 'Nothing of the project has the name that `plumbline lineage` was given.',
  SCHEDULE_NOT_FOUND: 'There is no schedule of that name. `plumbline schedule list` shows those that were applied.',
  SCHEDULE_WITHOUT_INTERVAL:
    'A schedule loads what the SQL or a source asks for by interval, and has none itself. Give it `interval`.',
  SCHEDULE_NOT_RUNNING: 'No start of the schedule is in progress, so there is nothing to cancel.',
  SCHEDULE_REFUSED: 'Temporal refused a schedule, such as a cron line with an hour of 25; the message is its own.',
  BACKFILL_ALREADY_RUNNING: 'The project has a backfill in progress. Wait for it, or cancel it.',
  BACKFILL_NOT_RUNNING: 'The project has no backfill in progress.',
  ALERTS_MISSING: 'plumbline.yaml says of nobody who is to be told, so there is nobody to send a test to.',
  INTERVAL_NOT_OPEN:
    'An interval that is done, or that a run is at, cannot be skipped. `plumbline backfill --dry-run` shows which they are.',
  INTERVAL_NOT_SKIPPED: 'Nothing in the range is skipped, or what is skipped reaches beyond it.',
  TRACE_NOT_FOUND: 'Nothing recorded has that name or id.',
} as const;

export const runErrorCodes = {
  RUN_LEASE_LOST: 'Another run took the project over, so this one stopped before writing on.',
  RUN_LEASE_HELD: 'Another run holds the project; this one waits for it to end.',
  RUN_STEP_SUPERSEDED: 'A later attempt of the same step has taken over; the earlier one changed nothing.',
  RUN_STEP_MISSING: 'A step needs the outcome of an earlier stage that has not run.',
  RUN_INTERVAL_DONE: 'Another run has done the interval meanwhile, or somebody skipped it; this one changed nothing.',
  RUN_INTERVAL_NEEDED:
    'The SQL or a source of the project asks for an interval, and the run has none. Give one with `--interval`, or a schedule with `interval`.',
  UNKNOWN: 'An error nobody foresaw; it is tried a few times. `--verbose` shows where it happened.',
} as const;
