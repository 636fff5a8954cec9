import { element, setText } from './dom.js';
import { clock, grouped } from './format.js';

/** @typedef {import('./recorder.js').Recorder} Recorder */
/** @typedef {import('./types.js').Session} Session */

/** The line that says how the recording stands. */
export class RecordingStatus {
  constructor() {
    this.dot = element('span', { class: 'dot' });
    this.word = element('span', { 'data-testid': 'rec-state' });
    this.time = element('span', { class: 'status-time', 'data-testid': 'rec-time' });
    this.ticks = element('span', { 'data-testid': 'rec-ticks' });
    this.kept = element('span', { 'data-testid': 'rec-acknowledged' });
    this.latency = element('span', { 'data-testid': 'rec-latency' });
    this.root = element(
      'div',
      { class: 'status', role: 'group', 'aria-label': 'Recording' },
      element('span', { class: 'status-state' }, this.dot, this.word),
      this.time,
      element(
        'dl',
        { class: 'status-figures' },
        element('div', {}, element('dt', {}, 'recorded'), element('dd', {}, this.ticks)),
        element('div', {}, element('dt', {}, 'acknowledged'), element('dd', {}, this.kept)),
        element('div', {}, element('dt', {}, 'latency'), element('dd', {}, this.latency)),
      ),
    );
  }

  /** @param {Recorder | null} recorder @param {Session | null} session @param {string} phase */
  show(recorder, session, phase) {
    const { word, tone } = stateOf(recorder, phase);
    setText(this.word, word);
    this.root.dataset.tone = tone;
    const ticks = recorder?.nextTick ?? 0;
    setText(this.time, session ? clock(ticks, session.rate) : '0:00.0');
    setText(this.ticks, grouped(ticks));
    setText(this.kept, grouped(Math.min(recorder?.acknowledged ?? 0, ticks)));
    setText(this.latency, recorder?.latencyMillis == null ? '–' : `${Math.round(recorder.latencyMillis)} ms`);
  }
}

/** @param {Recorder | null} recorder @param {string} phase @returns {{word: string, tone: string}} */
function stateOf(recorder, phase) {
  if (!recorder) return { word: 'Not recording', tone: 'off' };
  switch (recorder.connection) {
    case 'connecting':
      return { word: 'Connecting', tone: 'wait' };
    case 'reconnecting':
      return { word: 'Reconnecting', tone: 'wait' };
    case 'waiting':
      return { word: 'Waiting', tone: 'wait' };
    case 'refused':
      return { word: 'Stopped', tone: 'bad' };
    case 'ended':
      if (recorder.lostTicks > 0) return { word: 'Cut short', tone: 'bad' };
      return recorder.acknowledged === 0 ? { word: 'Nothing recorded', tone: 'off' } : { word: 'Recorded', tone: 'good' };
    case 'ready':
      if (phase === 'paused') return { word: 'Paused', tone: 'wait' };
      return phase === 'ending' ? { word: 'Ending', tone: 'wait' } : { word: 'REC', tone: 'live' };
  }
}
