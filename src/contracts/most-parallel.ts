/** Intervals of a backfill at work, as many as a worker lands ahead at once; a source that bears more is asked with longer ones. */
export const MOST_PARALLEL = 8;
