// @ts-check
// Voting in Review: a judgement and its reasons, the counts, undo, and the note.
//
// The picture changes before the vote is sent. The outbox sends it to the store.

import { draftOf, keepDraft } from '../../basics/drafts.js';
import { hasPictures } from '../../basics/has_pictures.js';
import { Turns } from '../../basics/turns.js';
import { composing } from '../../frame/keys.js';
import { LIKELY_BAD } from '../../evidence/focal_plane.js';
import { ReviewLooking } from './looking.js';

export const LOOKED_SECONDS = 0.3;   // a picture was looked at; the same as SHORTEST_LOOK of app/judging/votes.py

export class ReviewVoting extends ReviewLooking {
  turns = new Turns();
  suggested = new Set();      // CCDs that the room ticked beforehand
  explaining = new Turns();   // evidence that was asked for before the newest is not shown

  // ---- a judgement

  bad() {
    if (this.expnum === null) return;
    if (!this.canVote) { this.hint(this.whyNot('bad')); return; }
    this.mosaic.blink(null);
    if (this.choosing) { this.judge('bad'); return; }   // ends a choice of several reasons
    this.choosing = true;
    this.refresh();
    if (this.help.open) this.rules(true);
  }

  pickReason(name, several) {
    if (several || (this.choosing && this.reasons.size)) {
      this.choosing = true;
      if (!this.reasons.delete(name)) this.reasons.add(name);
      this.suggest();
      if (this.help.open) this.help.show(this.vocabulary, name);
      return this.refresh();
    }
    this.reasons.add(name);
    if (this.asksForCcds()) {
      this.choosing = true;
      this.suggest();
      this.refresh();
      return;
    }
    if (!this.judge('bad')) this.reasons.delete(name);
  }

  leaveChoice() {
    this.choosing = false;
    this.reasons.clear();
    this.suggest();
    this.refresh();
  }

  // ---- the CCDs of a reason that is on some of them

  // Whether the chosen reasons need CCDs that nobody has ticked yet: without ticks a vote is of the whole exposure.
  asksForCcds() { return !this.ticked.size && this.onCcds() && this.mosaic.ccdnames().length > 1; }

  // Whether all chosen reasons are on some CCDs as a rule.
  onCcds() { return this.reasons.size > 0 && [...this.reasons].every(name => this.vocabulary.find(one => one.name === name)?.on_ccds); }

  // CCDs that the model calls bad, if this user may know it: those with one of the chosen reasons, or else those that it
  // calls bad at all, unless they are most of the exposure: then it speaks of something else.
  suspects() {
    const ccds = this.shown?.expnum === this.expnum ? Object.entries(this.shown.model?.ccds ?? {}) : [];
    const bad = ccds.filter(([, ccd]) => ccd.p_bad > LIKELY_BAD);
    const alike = bad.filter(([, ccd]) => this.reasons.has(ccd.bad_reason));
    const few = 2 * bad.length < ccds.length ? bad : [];
    return (alike.length ? alike : few).map(([ccdname]) => ccdname);
  }

  // Ticks the suspects beforehand. Ticks of the user's own stay.
  suggest() {
    const own = [...this.ticked].some(ccdname => !this.suggested.has(ccdname)) || this.ticked.size !== this.suggested.size;
    if (own) return;
    const here = new Set(this.mosaic.ccdnames());
    this.suggested = new Set(this.onCcds() ? this.suspects().filter(ccdname => here.has(ccdname)) : []);
    this.ticked = new Set(this.suggested);
    this.mosaic.setVerdict(null);
    this.mosaic.setTicked([...this.ticked]);
  }

  // Returns whether the vote is on its way.
  judge(judgement) {
    if (this.expnum === null) return false;
    const why = this.whyNot(judgement);
    if (why) { this.hint(why); return false; }
    this.turns.act();
    const seconds = Math.round((performance.now() - this.opened) / 10) / 100;
    const shown = this.shown?.expnum === this.expnum ? this.shown : null;
    const vote = {
      client_vote_id: crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`,
      expnum: this.expnum, judgement,
      reasons: judgement === 'good' ? [] : [...this.reasons],
      ccdnames: judgement === 'bad' ? [...this.ticked] : [],
      comment: this.comment,
      screen: {
        ...this.mosaic.screen(), names: this.controls.names, assisted: this.assisted,
        model_shown: Boolean(shown?.model), score: shown?.model?.bad_probability ?? null, seconds,
        ...(shown?.stage ? { stage: shown.stage } : {}),   // of the model whose score that is
      },
    };
    this.queue = this.queue.filter(expnum => expnum !== vote.expnum);
    const before = this.votes.find(other => other.expnum === vote.expnum);
    this.order += 1;
    this.votes = [{ ...vote, seconds, before, order: this.order }, ...this.votes.filter(other => other !== before)].slice(0, 200);
    this.count(vote, before);
    const item = this.facts.get(vote.expnum);
    if (item) item.voted = true;
    this.forget(vote.expnum);
    this.forgetNote();
    if (before) this.hint(this.replaces(vote.expnum, before));
    this.outbox.add(vote);   // first, so that requests for the next exposure do not delay it
    this.next();
    return true;
  }

  // Why this judgement cannot be given now, as one line; '' if it can.
  whyNot(judgement) {
    if (!this.canVote) return 'You look on and do not vote; a lead can give you another role.';
    if (judgement === 'bad' && !this.reasons.size) return 'Bad because…? Choose a reason: Wonky if no other fits.';
    if (judgement === 'bad' && this.asksForCcds()) return 'On which CCDs? Tick them, or t for all of them; then Enter.';
    const state = this.mosaic.root?.dataset.state;
    if (!hasPictures(this.expnum) || state === 'none') return '';
    if (state === 'failed') return 'The picture cannot be shown now, so it cannot be judged.';
    if (this.shownAt === null) return 'The picture is still on its way: judge what you see.';
    if (performance.now() - this.shownAt < 1000 * LOOKED_SECONDS) return `${this.expnum} was hardly on screen: look, then press again.`;
    return '';
  }

  hint(text) { window.dispatchEvent(new CustomEvent('triptych-toast', { detail: text })); }

  count(vote, before, sign = 1) {
    this.said.n += sign * ((vote ? 1 : 0) - (before ? 1 : 0));
    this.said.unsure += sign * (Number(vote?.judgement === 'unsure') - Number(before?.judgement === 'unsure'));
  }

  saved(vote, answer) {
    this.turns.act();
    if (!vote.judgement) { this.undone(answer, vote); return; }
    this.forget(vote.expnum);
    const known = this.votes.find(other => other.client_vote_id === vote.client_vote_id);
    const own = known ?? this.takeIn(vote);
    if (own) Object.assign(own, { vote_id: answer.vote_id, verdict: answer.verdict });
    if (known && answer.replaced && !known.before) {   // one that this page did not know of
      this.hint(this.replaces(vote.expnum, answer.replaced));
      this.load();
    }
    this.drawVotes();
    if (this.expnum === vote.expnum) this.explain(vote.expnum);
  }

  // A vote that this person gave in another tab. Its exposure leaves this queue, and the screen if nothing was begun on it.
  takeIn(vote) {
    const { waiting } = this.outbox;
    if (this.total === undefined || waiting.some(body => body.undoes === vote.client_vote_id)) return undefined;
    const before = this.votes.find(other => other.expnum === vote.expnum);
    const waited = this.queue.includes(vote.expnum);
    this.queue = this.queue.filter(expnum => expnum !== vote.expnum);
    this.order += 1;
    const own = { seconds: vote.screen?.seconds, ...vote, before, order: this.order };
    this.votes = [own, ...this.votes.filter(other => other !== before)].slice(0, 200);
    this.count(own, before);
    const item = this.facts.get(vote.expnum);
    if (item) item.voted = true;
    const begun = this.choosing || this.ticked.size || this.reasons.size || this.comment;
    if (waited && vote.expnum === this.expnum && !begun) {
      this.hint(`You judged ${vote.expnum} in another tab: ${this.wordsOf(vote)}.`);
      this.next();
    } else this.refresh();
    return own;
  }

  wordsOf({ judgement, reasons }) { return `${judgement}${reasons?.length ? ` (${reasons.join(', ').replaceAll('_', ' ')})` : ''}`; }

  replaces(expnum, before) { return `It replaces your vote on ${expnum}: ${this.wordsOf(before)}. z brings that back.`; }

  refused(vote, text) {
    this.turns.act();
    if (!vote.judgement) { this.say(`Not undone: ${text}`); return this.load(); }
    this.count(this.votes.find(other => other.client_vote_id === vote.client_vote_id), null, -1);
    this.votes = this.votes.filter(other => other.client_vote_id !== vote.client_vote_id);
    if (!this.queue.includes(vote.expnum)) this.queue.unshift(vote.expnum);
    const item = this.facts.get(vote.expnum);
    if (item) item.voted = false;
    this.say(`The vote on ${vote.expnum} was refused: ${text}`);
    this.refresh();
  }

  // ---- taking back

  // Undo one step. A vote that was not sent yet is dropped. For any other vote the outbox sends a request that takes it back.
  undo() {
    if (!this.canVote) return;
    const last = this.votes[0];
    if (!last) { if (this.said.n > 0) this.load(); return; }
    this.turns.act();
    const unsent = !last.batch_id && this.outbox.remove(last.client_vote_id);
    const step = this.votes.filter(vote => vote === last || (last.batch_id && vote.batch_id === last.batch_id));
    this.votes = this.votes.filter(vote => !step.includes(vote));
    for (const { before, ...vote } of step) {
      this.count(vote, before, -1);
      if (before) this.votes.push(before);
      else this.queue = [vote.expnum, ...this.queue.filter(expnum => expnum !== vote.expnum)];
      const item = this.facts.get(vote.expnum);
      if (item) item.voted = Boolean(before);
    }
    this.votes.sort((one, other) => other.order - one.order);
    this.answers.clear();
    this.open(last.expnum);
    if (unsent) return;
    this.outbox.add(last.batch_id ? { batch_id: last.batch_id } : { expnum: last.expnum, undoes: last.client_vote_id }, 'api/undo');
  }

  undone(answer, { undoes }) {
    this.answers.clear();
    const elsewhere = Boolean(undoes) && this.votes.some(vote => vote.client_vote_id === undoes);   // another tab took it back
    if (elsewhere || answer.votes?.length || answer.batch_id || !this.votes.length) this.load();
    if (this.expnum !== null) this.explain(this.expnum);
  }

  // ---- the note

  // Takes up the note that was begun on the exposure on screen, and goes on typing if that was not finished.
  findNote() {
    this.comment = draftOf(`note-${this.expnum}`);
    this.part('note').hidden = true;
    if (this.visible() && draftOf(`typing-${this.expnum}`)) this.write();
  }

  write() {
    const note = this.part('note'), of = this.expnum;
    const typing = text => keepDraft(`typing-${of}`, text);
    note.hidden = false;
    const input = note.querySelector('input');
    input.value = draftOf(`typing-${of}`) || this.comment;
    input.focus();
    input.oninput = () => typing(input.value);
    input.onkeydown = event => {
      if (composing(event)) return;
      if (event.key === 'Enter' || event.key === 'Escape') {
        if (event.key === 'Enter') this.comment = input.value.trim();
        keepDraft(`note-${of}`, this.comment);
        typing('');
        input.blur();
        note.hidden = true;
        this.refresh();
      }
      event.stopPropagation();
    };
  }

  forgetNote() { for (const kind of ['note', 'typing']) keepDraft(`${kind}-${this.expnum}`, ''); }
}
