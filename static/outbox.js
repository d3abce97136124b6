// Votes on their way to the store. A vote waits here, and in the browser's storage, until the server says that it is on
// disk: a cut connection, a closed lid or a restarted server loses nothing, and each vote arrives once.

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 15000;

export class Outbox {
  // onState({waiting, problem}) after every change; onSaved(vote, answer) once per vote that is on disk;
  // onRefused(vote, text) when the server will never take it. address : where it goes; of : what is sent, so that votes and
  // decisions wait in boxes of their own.
  constructor(user, { onState, onSaved, onRefused, address = '/api/vote', of = '' }) {
    this.key = `triptych-outbox-${of}${user}`;
    this.address = address;
    this.hooks = { onState, onSaved, onRefused };
    this.waiting = this.read();
    this.pause = FIRST_PAUSE;
    this.problem = '';
    this.busy = false;
    this.timer = null;
    this.wake = () => { this.pause = FIRST_PAUSE; this.send(); };
    window.addEventListener('online', this.wake);
    this.send();
  }

  read() {
    try { return JSON.parse(localStorage.getItem(this.key)) || []; } catch { return []; }
  }

  keep() {
    try { localStorage.setItem(this.key, JSON.stringify(this.waiting)); } catch { /* private window: memory only */ }
    this.hooks.onState({ waiting: this.waiting.length, problem: this.problem });
  }

  add(vote) {
    this.waiting.push(vote);
    this.keep();
    this.send();
  }

  // Take back a vote that has not been sent; false when it is already on its way or on disk.
  remove(clientVoteId) {
    const index = this.waiting.findIndex(vote => vote.client_vote_id === clientVoteId);
    if (index < 0 || (index === 0 && this.busy)) return false;
    this.waiting.splice(index, 1);
    this.keep();
    return true;
  }

  async send() {
    if (this.busy || !this.waiting.length) return;
    clearTimeout(this.timer);
    this.busy = true;
    const vote = this.waiting[0];
    try {
      const response = await fetch(this.address, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(vote),
      });
      if (response.ok) this.done(vote, await response.json());
      else if (response.status === 400) this.refuse(vote, await response.text());
      else throw new Error(response.status === 403 ? 'log in again' : `server answered ${response.status}`);
    } catch (error) {
      this.problem = error.message === 'Failed to fetch' ? 'no connection' : error.message;
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
      this.timer = setTimeout(() => this.send(), this.pause);
    }
    this.busy = false;
    this.keep();
    if (!this.problem) this.send();
  }

  done(vote, answer) {
    this.waiting.shift();
    this.problem = '';
    this.pause = FIRST_PAUSE;
    this.hooks.onSaved(vote, answer);
  }

  refuse(vote, text) {
    this.waiting.shift();
    this.problem = '';
    this.hooks.onRefused(vote, text);
  }

  close() {
    clearTimeout(this.timer);
    window.removeEventListener('online', this.wake);
  }
}
