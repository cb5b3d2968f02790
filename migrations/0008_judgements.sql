-- What was found each time a version was judged: the same content meets another champion later. `model_versions` holds the
-- newest; these rows are never changed, except by another attempt of the run that wrote them.

CREATE TABLE plumbline.judgements (
  env         text NOT NULL,
  project     text NOT NULL,
  model       text NOT NULL,
  version     integer NOT NULL,
  run_id      text NOT NULL,
  baselines   jsonb NOT NULL,
  gates       jsonb NOT NULL,
  model_card  text NOT NULL,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (env, project, model, version, run_id),
  FOREIGN KEY (env, project, model, version) REFERENCES plumbline.model_versions
);

INSERT INTO plumbline.judgements (env, project, model, version, run_id, baselines, gates, model_card, at)
SELECT env, project, model, version, run_id, baselines, gates, model_card, created_at FROM plumbline.model_versions;
