// @ts-check
// Votes on their way to the store. A vote waits here, and in the browser's storage, until the server says that it is on
// disk. So a lost connection, a sleeping computer or a restart of the server loses no vote, and each vote counts once.
//
// All tabs of the browser share the storage. Each vote has its own entry, so that no tab overwrites the vote of another.
// One tab sends at a time, if the browser has locks; if a vote is sent twice, the server counts it once. Each request names
// its user. Votes of a user who has logged out wait until they log in again.
//
// Only a vote that the server can never take leaves without being stored. It goes to the refused ones (refused.js), which
// the page shows. A busy store, a full disk or a server that is just starting is no reason: the vote is sent again.

import { ofThisRun } from '../basics/here.js';
import { line } from '../basics/lasting_socket.js';
import { send } from '../basics/send.js';
import { keepRefused } from './refused.js';

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 15000;
const ANSWER_MS = 20000;     // without an answer for this long, the connection counts as lost
const PASSING = [401, 403, 408, 409, 425, 429];   // 4xx that do not mean that the vote itself is wrong
let shared = null;
const all = new Set();

// Whether a letter waits that the browser could not store, so that it is lost with the page.
export const keptOnlyHere = () => [...all].some(box => box.unkept.size > 0);

// The outbox for votes of this page.
export function votesOutbox(user) {
  if (!shared || shared.user !== user) shared = new Outbox(user);
  return shared;
}

export class Outbox {
  // onState({waiting, problem}) : after every change    onSaved(vote, answer) : once for each vote that is on disk
  // onRefused(vote, text) : if the server will never take it    address : where votes are sent
  // of : prefix of the storage keys, so that votes and decisions wait in different boxes
  /**
   * @param {string} user
   * @param {OutboxHooks & { address?: string, of?: string }} [more]
   */
  constructor(user, { onState, onSaved, onRefused, address = 'api/vote', of = '' } = {}) {
    this.user = user;
    this.prefix = ofThisRun(`triptych-outbox-${of}${user}`);
    this.address = address;
    this.listeners = new Set();
    this.letters = [];
    this.unkept = new Map();      // letters that the browser could not store, for example in a private window
    this.pause = FIRST_PAUSE;
    this.problem = '';
    this.busy = false;
    this.count = 0;
    if (onState || onSaved || onRefused) this.listen({ onState, onSaved, onRefused });
    all.add(this);
    this.takeOver();
    this.read();
    this.channel = 'BroadcastChannel' in window ? new BroadcastChannel(this.prefix) : null;
    if (this.channel) this.channel.onmessage = event => this.heard(event.data);
    this.wake = () => { this.pause = FIRST_PAUSE; this.send(); };
    this.awake = () => { if (!document.hidden) this.wake(); };
    this.stored = event => { if (event.key === null || event.key.startsWith(this.prefix)) { this.read(); this.tell(); } };
    this.leaving = event => { if (this.unkept.size) event.preventDefault(); };
    window.addEventListener('online', this.wake);
    window.addEventListener('storage', this.stored);
    window.addEventListener('beforeunload', this.leaving);
    document.addEventListener('visibilitychange', this.awake);
    this.send();
    this.stopLine = line.listen(state => { if (state === 'open') this.wake(); });
  }

  // The votes that wait, oldest first.
  get waiting() { return this.letters.map(letter => letter.body); }

  listen(hooks) {
    this.listeners.add(hooks);
    hooks.onState?.({ waiting: this.letters.length, problem: this.problem });
    return () => this.listeners.delete(hooks);
  }

  tell() { for (const { onState } of this.listeners) heardBy(onState, { waiting: this.letters.length, problem: this.problem }); }

  // ---- the storage

  read() {
    const found = [...this.unkept.values()];
    try {
      for (let k = 0; k < localStorage.length; k++) {
        const key = localStorage.key(k);
        if (key.startsWith(`${this.prefix}|`)) found.push({ key, ...JSON.parse(localStorage.getItem(key)) });
      }
    } catch { /* no storage: only the letters in memory */ }
    this.letters = found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  keep(letter) {
    const { key, ...value } = letter;
    try { localStorage.setItem(key, JSON.stringify(value)); } catch { this.unkept.set(key, letter); }
    this.read();
  }

  drop(key) {
    this.unkept.delete(key);
    try { localStorage.removeItem(key); } catch { /* it was never kept */ }
    this.read();
  }

  // Take over votes that an earlier version of this page stored as one list.
  takeOver() {
    try {
      const old = JSON.parse(localStorage.getItem(this.prefix)) || [];
      old.forEach(body => this.keep({ key: this.newKey(), address: this.address, body }));
      localStorage.removeItem(this.prefix);
    } catch { /* nothing to take over */ }
  }

  newKey() {
    this.count += 1;
    const random = Math.random().toString(36).slice(2, 8);
    return `${this.prefix}|${String(Date.now()).padStart(15, '0')}|${String(this.count).padStart(6, '0')}|${random}`;
  }

  // ---- in and out

  // The first letter of an empty box is sent at once, without the lock, because the browser gives the lock only after the
  // next frame is drawn. If another tab sends it too, the server counts it once.
  add(body, address = this.address) {
    const first = !this.letters.length && !this.busy;
    this.keep({ key: this.newKey(), address, body });
    if (first) this.send(() => this.sendNext());
    else this.send();
    this.tell();
  }

  // Take back a vote that was not sent yet. Returns false if it is on its way or on disk already.
  remove(clientVoteId) {
    const letter = this.letters.find(({ body }) => body.client_vote_id === clientVoteId);
    if (!letter || letter.key === this.onTheWay) return false;
    this.drop(letter.key);
    this.tell();
    return true;
  }

  /** @param {() => Promise<any>} [work] */
  async send(work = () => this.sendInTurn()) {
    if (this.busy || this.closed || !this.letters.length) return;
    clearTimeout(this.timer);
    this.busy = true;
    try { await work(); } catch (error) {
      console.error(error);
      this.problem ||= 'this page has a fault; reload it';
    } finally { this.busy = false; }
    this.tell();
    if (this.problem && this.letters.length) {
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
      this.timer = setTimeout(() => this.send(), this.pause);
    } else this.send();
  }

  async sendInTurn() {
    let begun = false;
    const all = () => { begun = true; return this.sendAll(); };
    // A browser may refuse the lock, for example while the page is hidden for good or its storage is blocked. The server
    // counts a vote once, so the vote is sent without it.
    try {
      if (navigator.locks) return await navigator.locks.request(this.prefix, all);
    } catch (error) { if (begun) throw error; }
    return all();
  }

  async sendAll() {
    for (this.read(); this.letters.length && !this.closed; this.read()) if (!await this.sendNext()) return;
    this.problem = '';
  }

  // Sends the oldest letter. Returns whether it has left the box.
  async sendNext() {
    const [letter] = this.letters;
    this.onTheWay = letter.key;
    this.problem = await this.sendOne(letter);
    this.onTheWay = null;
    if (this.problem) return false;
    this.pause = FIRST_PAUSE;
    this.tell();
    return true;
  }

  // '' if the letter has left the box, or else the problem in a few words.
  async sendOne({ key, address, body }) {
    let response, text, answer;
    const relative = address.replace(/^\//, '');   // earlier pages kept it with a slash
    try {
      response = await send(relative, body, { user: this.user, signal: AbortSignal.timeout(ANSWER_MS) });
      if (response.ok) answer = await response.json();
      else text = await response.text();
    } catch { return 'no connection'; }
    if (response.ok) {
      this.drop(key);
      this.done({ body, answer });
      return '';
    }
    const { status } = response, said = text.startsWith(`${status} `) ? text.slice(4).trim() : '';
    if (status === 413 || (said && status >= 400 && status < 500 && !PASSING.includes(status))) {
      const refused = said || 'it is too long';
      keepRefused(key, { user: this.user, address, body, why: refused });
      this.drop(key);
      this.done({ body, refused });
      return '';
    }
    if (status === 409) return `log in as ${this.user}`;
    if (status === 403 && (!said || said.startsWith('log in'))) return 'log in again';
    if (status === 503) return said || 'the label store cannot be used now';
    return said || `the server answered ${status}`;
  }

  done(message) {
    this.channel?.postMessage(message);
    this.report(message);
  }

  report({ body, answer, refused }) {
    for (const { onSaved, onRefused } of this.listeners) {
      if (refused === undefined) heardBy(onSaved, body, answer);
      else heardBy(onRefused, body, refused);
    }
  }

  // Another tab has sent something.
  heard(message) {
    this.read();
    this.report(message);
    this.tell();
  }

  close() {
    this.closed = true;
    all.delete(this);
    this.stopLine();
    clearTimeout(this.timer);
    this.channel?.close();
    window.removeEventListener('online', this.wake);
    window.removeEventListener('storage', this.stored);
    window.removeEventListener('beforeunload', this.leaving);
    document.removeEventListener('visibilitychange', this.awake);
  }
}

// A fault of who listens is theirs: the vote is on disk all the same, and the next one is sent.
function heardBy(listener, ...said) {
  try { listener?.(...said); } catch (error) { console.error(error); }
}
