-- What the programs of a step print: the newest lines, in blocks.

CREATE TABLE plumbline.run_logs (
  run_id      text NOT NULL REFERENCES plumbline.runs ON DELETE CASCADE,
  step        text NOT NULL,
  first_line  bigint NOT NULL,              -- of all that the step has printed, from 1; what is missing between blocks was not kept
  lines       integer NOT NULL,
  bytes       integer NOT NULL,
  attempt     integer NOT NULL,
  at          timestamptz NOT NULL DEFAULT now(),
  content     text NOT NULL,                -- lines, without secrets, each with its end
  PRIMARY KEY (run_id, step, first_line)
);
