// The Review room. One key says good, bad or unsure, saves and goes on; bad asks for one key more, the reason.
//
// The queue comes once, the next exposures are loaded ahead, and the picture changes before the vote has left the browser:
// the outbox carries it to the store and the header says when it is on disk.

import { evidenceHtml, LIKELY_BAD } from './evidence.js';
import { listen } from './keys.js';
import { mountMosaic } from './mosaic.js';
import { Outbox } from './outbox.js';
import { mountQueueBar } from './queue_bar.js';
import { ReviewPage } from './review_page.js';

const AHEAD = 4;
const STRETCHES = ['faint', 'stars', 'sky'];

export function mount(box, model) {
  const room = new Review(box, model);
  window.__review = { shown: () => room.expnum, waiting: () => room.outbox.waiting.length, queue: () => [...room.queue] };
  return () => { delete window.__review; room.close(); };
}

class Review extends ReviewPage {
  constructor(box, model) {
    super();
    this.box = box;
    this.model = model;
    this.queue = [];
    this.facts = new Map();
    this.votes = [];
    this.skipped = new Set();
    this.answers = new Map();
    this.expnum = null;
    this.choosing = false;
    this.reasons = new Set();
    this.ticked = new Set();
    this.stretch = model.stretch || 'faint';
    this.scale = 'all';
    this.inverted = false;
    this.named = false;
    this.assisted = model.assisted;
    this.comment = '';
    this.draw();
    this.mosaic = mountMosaic(this.part('picture'), {
      stretch: this.stretch, version: model.picture_version, insets: [12, 12, 44, 12], keys: false,
    });
    this.mosaic.onPick(pick => this.picked(pick));
    this.mosaic.onChange(({ ccd }) => { this.part('facts').hidden = Boolean(ccd); this.drawViewing(); });
    this.outbox = new Outbox(model.user, {
      onState: state => this.showSaved(state),
      onSaved: (vote, answer) => this.saved(vote, answer),
      onRefused: (vote, text) => this.refused(vote, text),
    });
    this.stopKeys = listen((key, event) => this.key(key, event));
    this.follow();
    this.load();
    this.bar = mountQueueBar(this);
  }

  follow() {
    const { model } = this;
    model.on('focus', () => { if (this.visible() && model.focus && model.focus !== this.expnum) this.open(model.focus); });
    model.on('room', () => { if (this.visible()) this.load(); });
    model.on('assisted', () => this.setAssisted(model.assisted));
    model.on('survey_version', () => { this.answers.clear(); this.load(); });
    model.on('picture_version', () => this.mosaic.setVersion(model.picture_version));
  }

  visible() { return this.model.room === 'review'; }

  // ---- the queue

  async load() {
    const response = await this.get('/api/queue');
    if (!response) return;
    this.canVote = response.can_vote;
    this.total = response.total;
    this.colours = response.colours;
    this.vocabulary = response.reasons;
    this.facts = new Map(response.items.map(item => [item.expnum, item]));
    const mine = new Set(this.outbox.waiting.map(vote => vote.expnum));
    this.queue = response.items.filter(item => !item.voted && !mine.has(item.expnum)).map(item => item.expnum);
    this.votes = response.votes;
    this.drawChips();
    const wanted = this.model.focus;
    const first = this.expnum !== null && this.facts.has(this.expnum) ? this.expnum : null;
    if (wanted && this.visible() && wanted !== this.expnum) this.open(wanted);
    else if (first === null) this.next();
    else this.refresh();
  }

  next() {
    const waiting = this.queue.filter(expnum => !this.skipped.has(expnum));
    if (!waiting.length && this.skipped.size && this.queue.length) {
      this.skipped.clear();
      return this.next();
    }
    if (!waiting.length) return this.finish();
    const at = waiting.findIndex(expnum => expnum === this.expnum);
    this.open(waiting[at >= 0 && at + 1 < waiting.length ? at + 1 : 0]);
  }

  open(expnum) {
    this.expnum = expnum;
    this.opened = performance.now();
    this.choosing = false;
    this.reasons.clear();
    this.ticked.clear();
    this.comment = '';
    this.part('note').hidden = true;
    this.part('empty').hidden = true;
    this.mosaic.setTicked([]);
    this.mosaic.setOverlay(null);
    this.mosaic.show(expnum);
    this.refresh();
    this.explain(expnum);
    const waiting = this.queue.filter(other => other !== expnum && !this.skipped.has(other)).slice(0, AHEAD);
    this.mosaic.prefetch(waiting);
    waiting.slice(0, 2).forEach(other => this.answer(other));
    if (this.visible() && this.model.focus !== expnum) this.model.focus = expnum;
  }

  finish() {
    this.expnum = null;
    const empty = this.part('empty');
    empty.hidden = false;
    empty.innerHTML = this.votes.length || this.total
      ? '<h2>Your queue is empty.</h2><div>Every candidate has your vote. Click a vote at the right to see it again, or browse in Explore.</div>'
      : '<h2>There are no candidates.</h2><div>Train, predict and find candidates first; then they wait here, the most suspicious first.</div>';
    this.refresh();
    this.part('evidence').innerHTML = '';
  }

  // ---- evidence

  answer(expnum) {
    const key = `${expnum}/${this.assisted ? 1 : 0}`;
    if (!this.answers.has(key)) this.answers.set(key, this.get(`/api/exposure/${expnum}?assisted=${this.assisted ? 1 : 0}`));
    return this.answers.get(key);
  }

  forget(expnum) {
    this.answers.delete(`${expnum}/0`);
    this.answers.delete(`${expnum}/1`);
  }

  async explain(expnum) {
    const answer = await this.answer(expnum);
    if (!answer) return this.forget(expnum);
    if (expnum !== this.expnum) return;
    this.shown = answer;
    if (answer.facts) this.facts.set(expnum, { ...this.facts.get(expnum), ...answer.facts });
    this.mosaic.setOverlay(overlayOf(answer.model, this.colours));
    this.part('evidence').innerHTML = evidenceHtml(answer, { colours: this.colours, stretch: this.stretch, version: this.model.picture_version });
    this.refresh();
  }

  setAssisted(assisted) {
    if (assisted === this.assisted) return;
    this.assisted = assisted;
    if (this.model.assisted !== assisted) this.model.assisted = assisted;
    if (this.expnum !== null) this.explain(this.expnum);
    this.refresh();
  }

  // ---- judging

  key(key, event) {
    if (!this.visible() || document.querySelector('dialog[open]')) return false;
    const reason = (this.vocabulary || []).find(item => item.key === key);
    const verbs = {
      g: () => this.judge('good'), b: () => this.bad(), u: () => this.judge('unsure'),
      ArrowRight: () => this.skip(), ' ': () => this.skip(), z: () => this.undo(), Backspace: () => this.undo(),
      s: () => this.setStretch(), c: () => this.setScale(), v: () => this.invert(), n: () => this.setNames(),
      h: () => this.setAssisted(!this.assisted), w: () => this.write(), x: () => this.tickHovered(), e: () => this.enlarge(),
    };
    if (key === 'Escape') return this.escape();
    if (key === 'Enter' && this.choosing) { this.judge('bad'); return true; }
    if (reason && this.canVote && this.expnum !== null) { this.pickReason(reason.name, event.shiftKey); return true; }
    const shifted = this.choosing && event.shiftKey && this.byCode(event.code);
    if (shifted) { this.pickReason(shifted.name, true); return true; }
    if (!verbs[key]) return false;
    verbs[key]();
    return true;
  }

  // With Shift held a digit arrives as another character; the physical key still says which one it is.
  byCode(code) {
    const digit = /^(?:Digit|Key)(.)$/.exec(code)?.[1]?.toLowerCase() ?? (code === 'Minus' ? '-' : '');
    return this.vocabulary.find(item => item.key === digit);
  }

  bad() {
    if (!this.canVote || this.expnum === null) return;
    if (this.choosing) return this.judge('bad');
    this.choosing = true;
    this.refresh();
  }

  pickReason(name, several) {
    if (several || (this.choosing && this.reasons.size)) {
      this.choosing = true;
      if (!this.reasons.delete(name)) this.reasons.add(name);
      return this.refresh();
    }
    this.reasons.add(name);
    this.judge('bad');
  }

  escape() {
    if (!this.part('note').hidden) { this.part('note').hidden = true; return true; }
    if (this.choosing) { this.choosing = false; this.reasons.clear(); this.refresh(); return true; }
    this.mosaic.closeCcd();
    return true;
  }

  judge(judgement) {
    if (!this.canVote || this.expnum === null) return;
    const seconds = Math.round((performance.now() - this.opened) / 10) / 100;
    const shown = this.shown?.expnum === this.expnum ? this.shown : null;
    const vote = {
      client_vote_id: crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`,
      expnum: this.expnum, judgement,
      reasons: judgement === 'good' ? [] : [...this.reasons],
      ccdnames: judgement === 'bad' ? [...this.ticked] : [],
      comment: this.comment,
      screen: {
        ...this.mosaic.screen(), names: this.named, assisted: this.assisted,
        model_shown: Boolean(shown?.model), score: shown?.model?.bad_probability ?? null, seconds,
      },
    };
    this.queue = this.queue.filter(expnum => expnum !== vote.expnum);
    this.votes = [{ ...vote, seconds }, ...this.votes.filter(other => other.expnum !== vote.expnum)].slice(0, 200);
    const item = this.facts.get(vote.expnum);
    if (item) item.voted = true;
    this.forget(vote.expnum);
    this.next();
    this.outbox.add(vote);
  }

  saved(vote, answer) {
    this.forget(vote.expnum);
    const own = this.votes.find(other => other.client_vote_id === vote.client_vote_id);
    if (own) Object.assign(own, { vote_id: answer.vote_id, verdict: answer.verdict });
    this.drawVotes();
    if (this.expnum === vote.expnum) this.explain(vote.expnum);
  }

  refused(vote, text) {
    this.votes = this.votes.filter(other => other.client_vote_id !== vote.client_vote_id);
    if (!this.queue.includes(vote.expnum)) this.queue.unshift(vote.expnum);
    const item = this.facts.get(vote.expnum);
    if (item) item.voted = false;
    this.say(`The vote on ${vote.expnum} was refused: ${text}`);
    this.refresh();
  }

  skip() {
    if (this.expnum === null) return;
    this.skipped.add(this.expnum);
    this.next();
  }

  async undo() {
    const last = this.votes[0];
    if (!last || !this.canVote) return;
    if (!this.outbox.remove(last.client_vote_id)) {
      const answer = await this.post('/api/undo', { expnum: last.expnum });
      if (!answer) return this.say('Not undone: no answer from the server. Try again.');
    }
    this.votes.shift();
    this.queue = [last.expnum, ...this.queue.filter(expnum => expnum !== last.expnum)];
    const item = this.facts.get(last.expnum);
    if (item) item.voted = false;
    this.forget(last.expnum);
    this.open(last.expnum);
  }

  toggleModel() { this.setAssisted(!this.assisted); }

  write() {
    const note = this.part('note');
    note.hidden = false;
    const input = note.querySelector('input');
    input.value = this.comment;
    input.focus();
    input.onkeydown = event => {
      if (event.key === 'Enter' || event.key === 'Escape') {
        if (event.key === 'Enter') this.comment = input.value.trim();
        input.blur();
        note.hidden = true;
        this.refresh();
      }
      event.stopPropagation();
    };
  }

  // ---- looking

  picked({ ccdname, shiftKey }) {
    if (!ccdname || this.mosaic.screen().ccd) return;
    if (this.choosing || shiftKey) this.tick(ccdname);
    else this.mosaic.openCcd(ccdname);
  }

  tick(ccdname) {
    if (!this.ticked.delete(ccdname)) this.ticked.add(ccdname);
    this.mosaic.setTicked([...this.ticked]);
    this.refresh();
  }

  tickHovered() {
    if (this.mosaic.hover) this.tick(this.mosaic.hover);
  }

  enlarge() {
    if (this.mosaic.screen().ccd) this.mosaic.closeCcd();
    else if (this.mosaic.hover) this.mosaic.openCcd(this.mosaic.hover);
  }

  setStretch(name) {
    this.stretch = name || STRETCHES[(STRETCHES.indexOf(this.stretch) + 1) % STRETCHES.length];
    this.mosaic.setStretch(this.stretch);
    this.model.stretch = this.stretch;
    this.refresh();
  }

  setScale() {
    this.scale = this.scale === 'all' ? 'ccd' : 'all';
    this.mosaic.setScaleMode(this.scale);
    this.refresh();
  }

  invert() {
    this.inverted = !this.inverted;
    this.mosaic.setInvert(this.inverted);
    this.refresh();
  }

  setNames() {
    this.named = !this.named;
    this.mosaic.setNames(this.named);
    this.refresh();
  }

  showSaved({ waiting, problem }) {
    this.problem = problem;
    if (this.part('progress') && this.outbox) this.drawProgress();
    this.box.dataset.waiting = waiting;
    window.dispatchEvent(new CustomEvent('triptych-saved', { detail: { waiting, problem } }));
  }

  say(text) { this.model.send_msg({ say: text }); }

  async get(url) {
    try {
      const response = await fetch(url);
      return response.ok ? await response.json() : null;
    } catch { return null; }
  }

  async post(url, body) {
    try {
      const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
      return response.ok ? await response.json() : null;
    } catch { return null; }
  }

  close() {
    this.bar.close();
    this.stopKeys();
    this.outbox.close();
    this.mosaic.destroy();
  }
}

// Only the CCDs that the model calls bad are marked: the mosaic stays free where there is nothing to see.
function overlayOf(model, colours) {
  if (!model) return null;
  const marked = Object.entries(model.ccds).filter(([, ccd]) => ccd.p_bad > LIKELY_BAD);
  return Object.fromEntries(marked.map(([ccdname, ccd]) =>
    [ccdname, { value: ccd.p_bad, label: ccd.p_bad.toFixed(2), colour: colours[ccd.bad_reason] || '#5b6470' }]));
}
