/** Role: what this viewer may do here, as the server said. What it may not is hidden; the server would refuse it. */

const STEERS = ['control', 'admin'];

/** The role that the server's hello names; servers without roles let everybody do everything. */
export function learn(hello) {
  document.body.dataset.role = hello.role ?? 'admin';
}

/** Whether quality and recording may be changed for everybody. */
export function steers() {
  return STEERS.includes(document.body.dataset.role ?? 'admin');
}

/** Whether others' sessions may be ended. */
export function administers() {
  return document.body.dataset.role === 'admin';
}
