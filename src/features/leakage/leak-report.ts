export interface LeakFinding {
  readonly rule: 'additive identity' | 'linear identity' | 'near-perfect predictor';
  readonly columns: readonly string[];
  /** One sentence with its numbers. */
  readonly evidence: string;
}

export interface LeakReport {
  readonly passed: boolean;
  readonly findings: readonly LeakFinding[];
  /** What was looked at, one line each. */
  readonly checks: readonly string[];
  /** Rules that could not be computed and so found nothing, one line each with the reason. */
  readonly notChecked: readonly string[];
}

export interface NumberFeature {
  readonly name: string;
  /** One value a row; NaN when missing. */
  readonly values: Float64Array;
}
