// @ts-check
// The Adjudicate room: exposures that the votes do not decide, the votes side by side, and a lead's decision with its reason.
//
// A lead presses g or b, chooses reasons for bad, and then says why: one key for a phrase, or their own words. The next
// exposure appears before the decision is sent. The outbox sends it, and the header says when it is on disk.

import { LIKELY_BAD, slotsOf } from '../../evidence/focal_plane.js';
import { askFor } from '../../basics/ask.js';
import { draftOf, keepDraft } from '../../basics/drafts.js';
import { sendJson } from '../../basics/send.js';
import { Turns } from '../../basics/turns.js';
import { openExplain } from '../../frame/explain.js';
import { hasPictures } from '../../basics/has_pictures.js';
import { bareKey, listen } from '../../frame/keys.js';
import { Outbox } from '../../frame/outbox.js';
import { mountMosaic } from '../../mosaic/mosaic.js';
import { AdjudicatePage } from './page.js';

const AHEAD = 3;
const WISH = 'triptych-adjudicate';   // an exposure that another room sends here
const STRETCHES = ['faint', 'stars', 'sky'];
const WHY_KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];

export function mount(box, model) {
  const room = new Adjudicate(box, model);
  window.__adjudicate = { shown: () => room.expnum, waiting: () => room.outbox.waiting.length, queue: () => room.list().map(item => item.expnum) };
  return () => { delete window.__adjudicate; room.close(); };
}

class Adjudicate extends AdjudicatePage {
  constructor(box, model) {
    super();
    this.box = box;
    this.model = model;
    this.turns = new Turns();
    this.items = null;
    this.decisions = [];
    this.chosen = null;             // states that are listed
    this.order = 'age';
    this.withoutPictures = false;
    this.skipped = new Set();
    this.answers = new Map();
    this.expnum = null;
    this.step = '';                 // '', 'reasons' or 'why'
    this.judgement = '';
    this.reasons = new Set();
    this.lastWhy = { good: '', bad: '' };
    this.stretch = 'faint';
    this.scale = 'all';
    this.inverted = false;
    this.named = false;
    this.opinion = model.assisted;
    this.draw();
    this.mosaic = mountMosaic(this.part('picture'), { stretch: this.stretch, version: model.picture_version, insets: [12, 12, 44, 12], keys: false });
    this.mosaic.onPick(({ ccdname }) => { if (ccdname && !this.mosaic.screen().ccd) this.mosaic.openCcd(ccdname); });
    this.mosaic.onChange(({ ccd }) => { this.part('facts').hidden = Boolean(ccd); });
    this.outbox = new Outbox(model.user, {
      address: 'adjudicate/decision', of: 'decisions-',
      onState: state => this.showSaved(state),
      onSaved: (decision, answer) => this.saved(decision, answer),
      onRefused: (decision, text) => this.refused(decision, text),
    });
    this.stopKeys = listen((key, event) => this.key(key, event));
    this.follow();
    this.load();
  }

  follow() {
    const { model } = this;
    model.on('focus', () => { if (this.visible() && this.items && model.focus && model.focus !== this.expnum) this.open(model.focus); });
    model.on('room', () => { if (this.visible()) this.load(); });
    model.on('revision', () => { if (this.visible()) this.load(); });
    model.on('survey_version', () => { this.answers.clear(); this.load(); });
    model.on('picture_version', () => this.mosaic.setVersion(model.picture_version));
  }

  visible() { return this.model.room === 'adjudicate'; }

  // ---- the queue

  async load() {
    const response = await this.turns.newest(() => askFor('adjudicate/queue'));
    if (response === undefined) return undefined;   // a newer question is on its way
    if (!response) return this.items ? undefined : this.failed();
    const first = this.items === null;
    Object.assign(this, { panel: response.panel, states: response.states, phrases: response.phrases, colours: response.colours, vocabulary: response.reasons });
    this.chosen ??= new Set(response.states.filter(state => state.waiting).map(state => state.name));
    const sent = new Set(this.outbox.waiting.map(decision => decision.expnum));
    this.items = response.items.filter(item => !sent.has(item.expnum));
    this.decisions = [...this.outbox.waiting.map(decision => ({ ...decision, lead: this.model.user })).reverse(), ...response.decisions];
    this.answers.clear();
    this.drawFilters();
    this.drawChips();
    const wish = Number(sessionStorage.getItem(WISH));
    sessionStorage.removeItem(WISH);
    if (wish) this.open(wish);
    else if (first) this.start();
    else if (this.expnum !== null) { this.explain(this.expnum); this.refresh(); }
    else this.next();
  }

  // Opens the exposure in the address if that names this room. A focus from another room is opened only if it is listed.
  start() {
    const asked = new URLSearchParams(new URL(performance.getEntriesByType('navigation')[0]?.name ?? location.href).search);
    const focus = this.model.focus;
    const known = [...this.list(), ...this.decisions].some(item => item.expnum === focus);
    if (focus && (known || (asked.get('room') === 'adjudicate' && Number(asked.get('focus')) === focus))) this.open(focus);
    else this.next();
  }

  list() {
    const shown = (this.items ?? []).filter(item => (item.in_run || this.withoutPictures) && item.states.some(state => this.chosen.has(state)));
    const by = {
      age: (a, b) => a.last_vote_utc.localeCompare(b.last_vote_utc),
      score: (a, b) => (b.score ?? -1) - (a.score ?? -1),
      posterior: (a, b) => Math.abs((a.p_bad ?? 0.5) - 0.5) - Math.abs((b.p_bad ?? 0.5) - 0.5),
      reason: (a, b) => (a.reasons[0] ?? '~').localeCompare(b.reasons[0] ?? '~'),
      night: (a, b) => a.night - b.night,
      expnum: () => 0,
    };
    return shown.sort((a, b) => by[this.order](a, b) || a.expnum - b.expnum);
  }

  next(step = 1) {
    const waiting = this.list();
    const at = waiting.findIndex(item => item.expnum === this.expnum);
    let next = at >= 0 ? waiting[at + step] : waiting.find(item => !this.skipped.has(item.expnum)) ?? waiting[0];
    if (!next && at >= 0 && step > 0) next = waiting.find(item => item.expnum !== this.expnum);
    if (next) this.open(next.expnum);
    else if (at < 0) this.finish();
  }

  open(expnum) {
    this.expnum = expnum;
    this.shown = null;
    this.leaveStep();
    this.part('words').value = draftOf(`why-${expnum}`);
    this.part('empty').hidden = true;
    this.mosaic.setTicked([]);
    this.mosaic.setOverlay(null);
    const item = this.item(expnum);
    const none = Boolean(item) && !(item.in_run && hasPictures(expnum));
    this.part('nopicture').hidden = !none;
    this.mosaic.show(none ? null : expnum);
    for (const name of ['votes', 'evidence']) this.part(name).classList.add('stale');
    this.refresh();
    this.explain(expnum);
    const list = this.list().filter(other => other.in_run).map(other => other.expnum);
    const ahead = list.slice(list.indexOf(expnum) + 1).slice(0, AHEAD);
    this.mosaic.prefetch(ahead);
    ahead.slice(0, 2).forEach(other => this.answer(other));
    // Set here, so that a late answer to an earlier step does not look like a new focus.
    if (this.visible() && this.model.focus !== expnum && (!item || item.in_run)) this.model.focus = expnum;
  }

  item(expnum) { return this.items?.find(item => item.expnum === expnum) ?? this.decisions.find(made => made.expnum === expnum); }

  finish() {
    this.expnum = null;
    this.shown = null;
    this.mosaic.show(null);
    this.drawEmpty();
    this.refresh();
  }

  // ---- the votes on one exposure

  answer(expnum) {
    if (!this.answers.has(expnum)) this.answers.set(expnum, askFor(`adjudicate/exposure/${expnum}`));
    return this.answers.get(expnum);
  }

  async explain(expnum) {
    const answer = await this.answer(expnum);
    if (!answer) this.answers.delete(expnum);
    if (expnum !== this.expnum) return;
    this.shown = answer;
    for (const name of ['votes', 'evidence']) this.part(name).classList.remove('stale');
    if (!answer) return this.drawVotes('The votes did not arrive. Press → and come back, or reload the page.');
    this.drawVotes();
    this.drawEvidence();
    this.showTicks();
    this.refresh();
    const slots = await slotsOf(answer.camera, this.model.picture_version);
    if (slots !== this.slots && this.shown === answer) { this.slots = slots; this.drawEvidence(); }
  }

  // Frames the CCDs that inspectors ticked. While the pointer or the focus is on a vote, only those of its inspector.
  showTicks(inspector = '') {
    const votes = (this.shown?.votes ?? []).filter(vote => !inspector || vote.inspector === inspector);
    this.mosaic.setTicked([...new Set(votes.flatMap(vote => vote.ccdnames))]);
    const model = this.opinion ? this.shown?.model : null;
    const marked = Object.entries(model?.ccds ?? {}).filter(([, ccd]) => ccd.p_bad > LIKELY_BAD);
    this.mosaic.setOverlay(marked.length ? Object.fromEntries(marked.map(([ccdname, ccd]) =>
      [ccdname, { value: ccd.p_bad, label: ccd.p_bad.toFixed(2), colour: this.colours[ccd.bad_reason] || '#5b6470' }])) : null);
  }

  // ---- deciding

  key(key, event) {
    if (!this.visible() || !this.items || document.querySelector('dialog[open]')) return false;
    if (key === 'Escape') return this.escape();
    if (this.step === 'why') {
      const place = WHY_KEYS.indexOf(key);
      if (place >= 0 && this.phrases[this.judgement][place]) { this.decide(this.phrases[this.judgement][place]); return true; }
      if (key === 'Enter' && this.lastWhy[this.judgement]) { this.decide(this.lastWhy[this.judgement]); return true; }
      if (key === 'w') { this.part('words').focus(); return true; }
    }
    if (this.step === 'reasons') {
      if (key === 'Enter') { this.askWhy(); return true; }
      const reason = this.vocabulary.find(item => item.key === bareKey(event));
      if (reason) { this.pickReason(reason.name, event.shiftKey); return true; }
    }
    const verbs = {
      g: () => this.begin('good'), b: () => this.begin('bad'), z: () => this.undo(), Backspace: () => this.undo(),
      ArrowRight: () => this.skip(), ' ': () => this.skip(), ArrowLeft: () => this.next(-1),
      s: () => this.setStretch(), c: () => this.setScale(), v: () => this.invert(), n: () => this.setNames(), h: () => this.toggleModel(),
      e: () => this.enlarge(), i: () => this.where(),
    };
    if (!verbs[key]) return false;
    verbs[key]();
    return true;
  }

  begin(judgement) {
    if (this.expnum === null) return;
    this.judgement = judgement;
    this.reasons.clear();
    this.step = judgement === 'bad' ? 'reasons' : 'why';
    this.refresh();
  }

  pickReason(name, several) {
    if (!this.reasons.delete(name)) this.reasons.add(name);
    if (several) this.refresh();
    else this.askWhy();
  }

  askWhy() {
    this.step = 'why';
    this.refresh();
  }

  leaveStep() {
    this.step = '';
    this.judgement = '';
    this.reasons.clear();
    this.part('words').value = '';
  }

  escape() {
    if (this.step === 'why' && this.judgement === 'bad') this.step = 'reasons';
    else if (this.step) { this.leaveStep(); keepDraft(`why-${this.expnum}`, ''); }
    else { this.mosaic.closeCcd(); return true; }
    this.refresh();
    return true;
  }

  decide(why) {
    const { expnum, judgement } = this;
    why = why.trim();
    if (!why || expnum === null || !judgement) return undefined;
    if (this.shown?.expnum !== expnum) return this.say(`The votes on ${expnum} are still on their way; decide when they are here.`);
    keepDraft(`why-${expnum}`, '');
    const decision = {
      client_vote_id: crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`,
      expnum, judgement, reasons: judgement === 'bad' ? [...this.reasons] : [], comment: why,
      votes_seen: this.shown.votes.flatMap(vote => vote.vote_ids),
    };
    this.turns.act();
    this.lastWhy[judgement] = why;
    const known = this.item(expnum) ?? { in_run: true, states: [] };
    this.next();
    if (this.expnum === expnum) this.expnum = null;
    this.items = this.items.filter(item => item.expnum !== expnum);
    this.decisions = [{ ...known, ...decision, lead: this.model.user }, ...this.decisions.filter(made => made.expnum !== expnum)];
    this.answers.delete(expnum);
    this.outbox.add(decision);
    if (this.expnum === null) this.next();
    return this.refresh();
  }

  saved(decision, answer) {
    this.turns.act();
    this.answers.delete(decision.expnum);
    const own = this.decisions.find(made => made.client_vote_id === decision.client_vote_id);
    if (own) own.adjudication_id = answer.adjudication_id;
    if (this.expnum === decision.expnum) this.explain(decision.expnum);
    this.drawDecisions();
  }

  refused(decision, text) {
    this.turns.act();
    this.say(`The decision on ${decision.expnum} was refused: ${text}`);
    this.decisions = this.decisions.filter(made => made.client_vote_id !== decision.client_vote_id);
    this.load();
  }

  skip() {
    if (this.expnum === null) return;
    this.skipped.add(this.expnum);
    this.next();
  }

  undo() {
    const last = this.decisions.find(made => made.lead === this.model.user && !made.going);
    if (last) this.retract(last);
    else this.say('No decision of yours to take back.');
  }

  async retract(decision) {
    if (decision.going) return;   // asked for already
    if (!this.outbox.remove(decision.client_vote_id)) {
      if (!decision.adjudication_id) { this.say('Not taken back: it is just being saved. Try again.'); return; }
      decision.going = true;
      try { await sendJson('adjudicate/retract', { adjudication_id: decision.adjudication_id }); } catch (error) {
        decision.going = false;
        this.say(`Not taken back: ${error instanceof TypeError ? 'no connection' : error.message}. Try again.`);
        return;
      }
    }
    this.turns.act();
    this.decisions = this.decisions.filter(made => made !== decision);
    await this.load();
    this.open(decision.expnum);
    this.say(`Decision on ${decision.expnum} taken back; the votes decide again.`);
  }

  // ---- looking

  setStretch() { this.stretch = STRETCHES[(STRETCHES.indexOf(this.stretch) + 1) % STRETCHES.length]; this.mosaic.setStretch(this.stretch); this.refresh(); }
  setScale() { this.scale = this.scale === 'all' ? 'ccd' : 'all'; this.mosaic.setScaleMode(this.scale); this.refresh(); }
  invert() { this.inverted = !this.inverted; this.mosaic.setInvert(this.inverted); this.refresh(); }
  setNames() { this.named = !this.named; this.mosaic.setNames(this.named); this.refresh(); }
  toggleModel() { this.opinion = !this.opinion; this.showTicks(); this.drawEvidence(); this.refresh(); }
  where() {
    if (this.expnum !== null) openExplain({ expnum: this.expnum, assisted: true, stretch: this.stretch, version: this.model.picture_version });
  }
  enlarge() {
    if (this.mosaic.screen().ccd) this.mosaic.closeCcd();
    else if (this.mosaic.hover) this.mosaic.openCcd(this.mosaic.hover);
  }

  showSaved({ waiting, problem }) {
    this.problem = problem;
    if (this.outbox && this.items) this.drawProgress();
    this.box.dataset.waiting = waiting;
    window.dispatchEvent(new CustomEvent('triptych-saved', { detail: { waiting, problem, of: 'decision' } }));
  }

  say(text) { this.model.send_msg({ say: text }); }

  close() {
    this.stopKeys();
    this.outbox.close();
    this.mosaic.destroy();
  }
}
