/**
 * What each code of the service, and each failure on this side, means to the person in front of the page.
 * @typedef {{title: string, advice: string}} Advice
 */

/** @type {Record<string, Advice>} */
const ADVICE = {
  // Errors over HTTP.
  not_found: { title: 'There is no such page', advice: 'Check the address, or go back to the library.' },
  method_not_allowed: { title: 'The server does not take this request', advice: 'Reload the page: it may be older than the server.' },
  unknown_session: { title: 'There is no such session here', advice: 'Check the link; the session may be on another server.' },
  unknown_module: { title: 'This game is not here', advice: 'Upload its module in the library, then try again.' },
  unknown_blob: { title: 'A part of this session is not here', advice: 'The server has the session, though not everything that belongs to it.' },
  foreign_origin: { title: 'The server answers pages of its own only', advice: 'Open the page at the address that the server prints.' },
  bad_request: { title: 'The address is not understood', advice: 'Check the link; an id or a hash in it is not one.' },
  too_large: { title: 'This is too large', advice: 'The server states its limit above.' },
  module_refused: { title: 'The module is refused', advice: 'Mend what is named above and build the module again.' },
  module_missing: { title: 'The module of this session is missing', advice: 'Upload the module with this hash; the recording itself is whole.' },
  not_replayable: { title: 'This session cannot be replayed', advice: 'Its stream is no whole session; the server says where above.' },
  busy: { title: 'The server is busy', advice: 'Try again in a moment.' },
  store_full: { title: 'The store is full', advice: 'Whoever runs the server must make room. Everything acknowledged is kept.' },
  store_unavailable: { title: 'The store does not answer', advice: 'Look at the server, then try again. Everything acknowledged is kept.' },
  store_poisoned: { title: 'The store has stopped after an error of the disk', advice: 'The server must be started again. Everything acknowledged is kept.' },
  internal: { title: 'The server found damage', advice: 'Whoever runs the server should look at its log.' },

  // Refusals of a recorder.
  malformed: { title: 'The server did not understand the recording', advice: 'Reload the page: it may be older than the server.' },
  message_too_large: { title: 'A message of the recording was too large', advice: 'This game emits marks larger than the server takes, or the recorder must be mended; playing again may end the same way.' },
  wrong_key: { title: 'This session belongs to another recorder', advice: 'Play again: that begins a session of its own.' },
  session_ended: { title: 'The session has already ended', advice: 'Watch what was recorded, or play again.' },
  superseded: { title: 'Another page records this session now', advice: 'Go on there, or play again here.' },
  tick_gap: { title: 'The server misses ticks', advice: 'What is not acknowledged is sent again once; if that does not help, play again.' },
  inputs_differ: { title: 'What was sent again is not what the server has', advice: 'Watch what was recorded, or play again.' },
  recorder_full: { title: 'The store could not keep up', advice: 'Nothing is recorded over a gap: what is not acknowledged waits here, and the page tries again.' },
  session_full: { title: 'The session is as large as one may be', advice: 'It ended there. Watch it, or play again.' },
  silent: { title: 'Nothing was sent for a while', advice: 'The recording resumes as soon as the game goes on.' },
  server_stopping: { title: 'The server is stopping', advice: 'The recording resumes when the server is back.' },

  // Failures on this side.
  offline: { title: 'The server cannot be reached', advice: 'Check that it runs and that you are connected.' },
  connection_lost: { title: 'The connection was lost', advice: 'The page connects again by itself; the game goes on.' },
  acknowledged_lost: { title: 'The server no longer has what it acknowledged', advice: 'Watch what is there. Whoever runs the server should know of this.' },
  session_lost: { title: 'The server no longer has this session', advice: 'Whoever runs the server should know of this. Play again to begin another session.' },
  buffer_full: { title: 'Too much waits to be acknowledged', advice: 'The game pauses, so that nothing is lost, and goes on by itself.' },
  no_answer: { title: 'The game did not finish a tick within 5 s', advice: 'It was stopped, as it may never finish. What was recorded before is kept.' },
  worker_died: { title: 'The simulation stopped unexpectedly', advice: 'Load it again. If this returns, the browser may be out of memory.' },
  wasm_refused: { title: 'The browser refuses to run WebAssembly', advice: 'Allow WebAssembly for this site, or try another browser.' },
  simulation_failed: { title: 'The game failed', advice: 'The tick before is the last that can be shown.' },
  cannot_run: { title: 'This session cannot be run here', advice: 'Its inputs and hashes are kept, and the replay can be downloaded.' },
  unexpected: { title: 'Something went wrong', advice: 'Reload the page. If it happens again, please report it.' },
};

/** @param {string} code @returns {Advice} */
export function adviceFor(code) {
  return ADVICE[code] ?? /** @type {Advice} */ (ADVICE.unexpected);
}
