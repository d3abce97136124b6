// @ts-check
// The Review room. One key says good, bad or unsure, saves the vote and goes on; bad needs one more key for the reason.
//
// The queue is read once, and the next exposures are loaded ahead. The picture changes before the vote is sent: the outbox
// sends it to the store, and the header says when it is on disk.

import { evidenceHtml, evidencePictures } from '../../evidence/evidence.js';
import { slotsOf } from '../../evidence/focal_plane.js';
import { askFor } from '../../basics/ask.js';
import { openExplain } from '../../frame/explain.js';
import { bareKey, listen } from '../../frame/keys.js';
import { whenJudgedElsewhere } from '../../sheets/other_tabs.js';
import { votesOutbox } from '../../frame/outbox.js';
import { mountMosaic } from '../../mosaic/mosaic.js';
import { openContactSheet } from '../../sheets/contact_sheet.js';
import { endOfQueue } from './end_of_queue.js';
import { nextInTime, runOf, showLater, stripHtml } from './around.js';
import { ReviewQueue } from './queue.js';
import { mountQueueBar } from './queue_bar.js';
import { ReasonHelp } from './reason_help.js';
import { LOOKED_SECONDS } from './voting.js';

const AHEAD = 4;
const AHEAD_AFTER = 250;   // ms

export function mount(box, model) {
  const room = new Review(box, model);
  window.__review = { shown: () => room.expnum, waiting: () => room.outbox.waiting.length, queue: () => [...room.queue], ahead: () => room.isAhead(), ready: () => room.visible() && (!room.canVote || !room.whyNot('good')) };
  return () => { delete window.__review; room.close(); };
}

class Review extends ReviewQueue {
  constructor(box, model) {
    super();
    this.box = box;
    this.model = model;
    this.queue = [];
    this.facts = new Map();
    this.votes = [];
    this.skipped = new Set();
    this.answers = new Map();
    this.pictures = [];   // pictures of the next evidence, loaded ahead
    this.expnum = null;
    this.choosing = false;
    this.reasons = new Set();
    this.ticked = new Set();
    this.stretch = model.stretch || 'faint';
    this.assisted = model.assisted;
    this.comment = '';
    this.said = { n: 0, unsure: 0 };
    this.order = 0;
    this.looks = new Map();     // expnum -> seconds on screen
    this.origin = null;         // the exposure at which the user began to look around in time
    this.context = [];
    this.draw();
    this.help = new ReasonHelp(this.part('rules'), () => ({ expnum: this.expnum, stretch: this.stretch, version: model.picture_version, assisted: this.assisted }));
    this.mosaic = mountMosaic(this.part('picture'), {
      stretch: this.stretch, version: model.picture_version, insets: [12, 12, 44, 12], keys: false, ticking: true,
    });
    this.startLooking();
    this.mosaic.onChange(({ kind, expnum }) => { if (kind === 'show' && expnum === this.expnum) this.painted(); });
    this.outbox = votesOutbox(model.user);
    this.stopOutbox = this.outbox.listen({
      onState: state => this.showSaved(state),
      onSaved: (vote, answer) => this.saved(vote, answer),
      onRefused: (vote, text) => this.refused(vote, text),
    });
    this.stopTabs = whenJudgedElsewhere(() => this.judgedElsewhere());
    this.stopKeys = listen((key, event) => this.key(key, event));
    this.follow();
    this.load();
    this.bar = mountQueueBar(this);
  }

  follow() {
    const { model } = this;
    model.on('focus', () => { if (this.visible() && model.focus && model.focus !== this.expnum) this.open(model.focus); });
    model.on('not_here', () => { if (this.visible() && model.not_here) this.notHere(model.not_here); });
    model.on('room', () => { if (this.visible()) this.load(); });
    model.on('assisted', () => this.setAssisted(model.assisted));
    model.on('survey_version', () => this.takeSurvey());
    model.on('picture_version', () => this.mosaic.setVersion(model.picture_version));
  }

  judgedElsewhere() {
    this.turns.act();
    this.answers.clear();
    this.load();
    if (this.expnum !== null) this.explain(this.expnum);
  }

  visible() { return this.model.room === 'review'; }

  // New predictions: all that was known of the old ones goes at once, also what is on screen and what is on its way.
  takeSurvey() {
    this.answers.clear();
    this.help.forget();
    this.shown = null;
    this.pictures = [];
    this.mark();
    this.part('evidence').innerHTML = '';
    this.load();
    if (this.expnum !== null) this.explain(this.expnum);
  }

  // ---- the exposure on screen

  // around : look at an exposure taken around the one on screen; Escape or a vote leads back to that one
  open(expnum, { around = false } = {}) {
    this.noteLook();
    this.since = null;
    clearTimeout(this.looking);
    const back = expnum === this.origin;
    this.origin = around ? this.origin ?? this.expnum : null;
    if (!around && !back) this.context = [];
    this.expnum = expnum;
    this.opened = performance.now();
    this.shownAt = null;
    this.choosing = false;
    this.reasons.clear();
    this.ticked.clear();
    this.suggested.clear();
    this.findNote();
    this.part('empty').hidden = true;
    this.mosaic.setTicked([]);
    this.mosaic.setOverlay(null);
    this.mosaic.show(expnum);
    this.lookAnew();
    this.refresh();
    this.explain(expnum);
    this.later ??= setTimeout(() => this.fetchAhead(), AHEAD_AFTER);
    if (this.visible() && this.model.focus !== expnum) this.model.focus = expnum;
  }

  // Called AHEAD_AFTER ms after an exposure has appeared, so that the vote before it is sent first.
  fetchAhead() {
    this.later = null;
    const waiting = this.queue.filter(other => other !== this.expnum && !this.skipped.has(other)).slice(0, AHEAD);
    this.pictures = [];
    this.fetched = Promise.all([this.mosaic.prefetch(waiting), ...waiting.slice(0, 2).map(other => this.evidenceAhead(other))]);
  }

  // Resolves when all that comes next has been fetched.
  async isAhead() {
    while (this.later) await new Promise(requestAnimationFrame);
    await this.fetched;
  }

  // Fetches the evidence on a next exposure with its pictures. If the pictures were fetched when that exposure is opened,
  // they would take all connections before the vote.
  async evidenceAhead(expnum) {
    const answer = await this.answer(expnum);
    if (!answer) return this.forget(expnum);
    const addresses = evidencePictures(answer, { stretch: this.stretch, version: this.model.picture_version });
    this.pictures.push(...addresses.map(src => Object.assign(new Image(), { fetchPriority: 'low', src })));
  }

  finish() { this.leaveStage(endOfQueue(this)); }

  // The address asked for an exposure that the run does not have. No other one is shown in its place.
  notHere(expnum) {
    this.leaveStage(`<h2>${expnum} is not in this run.</h2><div>There is nothing to judge. Was the number meant? The search in Explore finds the exposures that there are.</div>
      <div class="steps"><button data-verb="skip"><span class="key">→</span>your queue</button> <button data-go="explore">Explore</button></div>`);
  }

  // No exposure is on screen: says why, and what to do next.
  leaveStage(html) {
    this.noteLook();
    this.expnum = null;
    this.shown = null;
    this.choosing = false;
    this.mosaic.blink(null);
    this.controls.exposure(null);
    this.part('empty').hidden = false;
    this.part('empty').innerHTML = html;
    this.refresh();
    this.part('evidence').innerHTML = '';
    this.part('strip').innerHTML = '';
  }

  // ---- evidence

  answer(expnum) {
    const key = `${expnum}/${this.assisted ? 1 : 0}`;
    if (!this.answers.has(key)) this.answers.set(key, askFor(`api/exposure/${expnum}?assisted=${this.assisted ? 1 : 0}`));
    return this.answers.get(key);
  }

  forget(expnum) {
    this.answers.delete(`${expnum}/0`);
    this.answers.delete(`${expnum}/1`);
  }

  async explain(expnum) {
    const counts = this.explaining.begin();
    const answer = await this.answer(expnum);
    if (!counts()) return;
    if (!answer) return this.forget(expnum);
    if (expnum !== this.expnum) return;
    this.shown = answer;
    if (answer.facts) this.facts.set(expnum, { ...this.facts.get(expnum), ...answer.facts });
    this.mark();
    this.recall();
    if (this.origin === null) this.context = answer.context;
    this.drawEvidence(answer);
    this.refresh();
    const slots = await slotsOf(answer.camera, this.model.picture_version);
    if (slots !== this.slots && expnum === this.expnum) { this.slots = slots; this.drawEvidence(answer); }
  }

  drawEvidence(answer) {
    const letters = Object.fromEntries(this.vocabulary.map(({ name, key }) => [name, key]));
    const how = { colours: this.colours, letters, stretch: this.stretch, version: this.model.picture_version, slots: this.slots };
    this.part('evidence').innerHTML = evidenceHtml(answer, how);
    this.drawStrip();
  }

  setAssisted(assisted) {
    if (assisted === this.assisted) return;
    this.assisted = assisted;
    if (this.model.assisted !== assisted) this.model.assisted = assisted;
    if (this.expnum !== null) this.explain(this.expnum);
    this.refresh();
  }

  // ---- keys

  key(key, event) {
    if (!this.visible() || document.querySelector('dialog[open]')) return false;
    const reason = (this.vocabulary || []).find(item => item.key === key);
    const verbs = {
      g: () => this.judge('good'), b: () => this.bad(), u: () => this.judge('unsure'),
      ArrowRight: () => this.skip(), ' ': () => this.skip(), z: () => this.undo(), Backspace: () => this.undo(),
      h: () => this.setAssisted(!this.assisted), w: () => this.write(),
      ',': () => this.stepInTime(-1), '.': () => this.stepInTime(1), a: () => this.judgeRun(), r: () => this.rules(), i: () => this.where(),
    };
    if (key === 'Escape') return this.controls.escape() || this.escape();
    const control = event.composedPath()[0].closest?.('button, a, select');
    const voting = key === 'Enter' && this.choosing && control?.closest('.tour');   // a vote that was begun goes before the tour
    if ((key === ' ' || key === 'Enter') && control && !voting) return false;
    if (key === 'Enter' && this.choosing) { this.judge('bad'); return true; }
    if (this.help.open && (key === 'ArrowUp' || key === 'ArrowDown')) { this.help.step(key === 'ArrowUp' ? -1 : 1); return true; }
    if (reason && this.canVote && this.expnum !== null && (this.choosing || /[0-9-]/.test(key))) { this.pickReason(reason.name, event.shiftKey); return true; }
    const shifted = this.choosing && event.shiftKey && this.vocabulary.find(item => item.key === bareKey(event));
    if (shifted) { this.pickReason(shifted.name, true); return true; }
    if (key.startsWith('Arrow') && this.mosaic.cursorKey(key)) return true;
    if (!verbs[key]) return this.lookKey(key);
    verbs[key]();
    return true;
  }

  escape() {
    if (this.tour?.end()) return true;
    if (!this.part('note').hidden) { this.part('note').hidden = true; return true; }
    if (this.help.open) { this.help.close(); return true; }
    if (this.choosing) { this.leaveChoice(); return true; }
    if (this.origin !== null && !this.mosaic.screen().ccd) { this.open(this.origin); return true; }
    this.mosaic.closeCcd();
    return true;
  }

  skip() {
    if (this.expnum === null) {
      if (this.model.not_here) { this.model.not_here = null; this.next(); }
      return;
    }
    this.skipped.add(this.expnum);
    this.next();
  }

  toggleModel() { this.setAssisted(!this.assisted); }

  where() {
    const { expnum, assisted, stretch } = this;
    if (expnum !== null) openExplain({ expnum, assisted, stretch, version: this.model.picture_version });
  }

  // ---- around it in time

  painted() {
    this.since = performance.now();
    this.shownAt ??= this.since;
    clearTimeout(this.looking);
    this.looking = setTimeout(() => { this.noteLook(); this.drawStrip(); }, 1000 * LOOKED_SECONDS);
  }

  noteLook() {
    const seconds = this.since ? (performance.now() - this.since) / 1000 : 0;
    this.since = seconds ? performance.now() : null;
    if (this.expnum === null || seconds + (this.looks.get(this.expnum) ?? 0) < LOOKED_SECONDS) return;
    this.looks.set(this.expnum, seconds + (this.looks.get(this.expnum) ?? 0));
  }

  // The strip with the votes that this page knows of, which are newer than the answers that it fetched ahead.
  aroundNow() {
    const said = new Map(this.votes.map(vote => [vote.expnum, vote]));
    return this.context.map(one => ({ ...one, mine: said.get(one.expnum) ?? one.mine }));
  }

  drawStrip() {
    const strip = this.part('strip');
    const held = strip.contains(this.box.getRootNode().activeElement);
    strip.innerHTML = stripHtml(this.aroundNow(), {
      shown: this.expnum, origin: this.origin, looks: this.looks, colours: this.colours, stretch: this.stretch, version: this.model.picture_version,
    });
    showLater(strip);
    if (held) strip.querySelector('[aria-current=true]')?.focus({ preventScroll: true });
  }

  lookAt(expnum) {
    if (expnum === (this.origin ?? this.expnum)) { if (this.origin !== null) this.open(this.origin); return; }
    this.open(expnum, { around: true });
  }

  stepInTime(step) {
    const next = this.expnum === null ? null : nextInTime(this.context, this.expnum, step);
    if (next !== null) this.lookAt(next);
  }

  judgeRun() {
    if (!this.canVote) return;
    this.noteLook();
    const run = runOf(this.aroundNow(), this.looks);
    if (run.length < 2) return this.say('Look at the exposures around it first, with , and . or a click: one vote takes only what was on screen.');
    openContactSheet({
      exposures: run.map(one => ({ expnum: one.expnum, facts: `${one.band} band, ${one.minutes} min`, images: [one.image_id], mine: null })),
      title: `${run.length} exposures of one night that you looked at`, how: 'run', stretch: this.stretch, version: this.model.picture_version,
      reasons: this.vocabulary, onDone: () => { this.answers.clear(); this.origin = null; this.load(); },
      screen: { looks: Object.fromEntries(run.map(one => [one.expnum, Number((this.looks.get(one.expnum) ?? 0).toFixed(2))])), assisted: this.assisted },
    });
  }

  // ---- rules and examples

  rules(keep = false) {
    if (this.help.open && !keep) return this.help.close();
    const under = [...this.reasons].pop() ?? this.box.querySelector('[data-reason]:hover, [data-reason]:focus')?.dataset.reason;
    const likely = this.shown?.expnum === this.expnum && this.shown.model?.is_candidate ? (this.shown.model.reasons || '').split(',')[0] : '';
    this.help.show(this.vocabulary, under || likely);
  }

  showSaved({ waiting, problem }) {
    this.problem = problem;
    if (this.part('progress') && this.outbox) this.drawProgress();
    this.box.dataset.waiting = waiting;
  }

  say(text) { this.model.send_msg({ say: text }); }

  close() {
    this.bar.close();
    this.stopKeys();
    this.controls.close();
    this.stopOutbox();
    this.stopTabs();
    clearTimeout(this.looking);
    clearTimeout(this.later);
    this.mosaic.destroy();
  }
}
