const LONGEST = 4_000;
// eslint-disable-next-line no-control-regex -- escape sequences of ECMA-48: colours, titles
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
// eslint-disable-next-line no-control-regex -- all but the tab
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/g;

/** A line that a program wrote, as it may be printed and logged: without secrets, escape sequences and control characters. */
export function shownLine(line: Buffer, redact: (text: string) => string = (text) => text): string {
  const clean = redact(line.toString('utf8').replaceAll(ESCAPES, '').replaceAll(CONTROLS, ''));
  return clean.length <= LONGEST ? clean : `${clean.slice(0, LONGEST)}…`;
}
