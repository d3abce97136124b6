// @ts-check
// Looking in Review: the bar with stretches and masks, ticks of CCDs, and the judgement that the ticks mean.

import { LIKELY_BAD } from '../../evidence/focal_plane.js';
import { Controls } from '../../mosaic/controls.js';
import { ReviewPage } from './page.js';
import { rollUp } from './verdict_of_ccds.js';

const LABELLED = 3; // neighbours to blink with

export class ReviewLooking extends ReviewPage {
  startLooking() {
    const { mosaic, model } = this;
    this.controls = new Controls(mosaic, this.part('viewing'), {
      onStretch: name => { this.stretch = name; model.stretch = name; },
      onChange: () => this.mark(),
      candidates: () => this.comparable(),
      extra: () => [
        ['h', 'model', this.assisted ? 'shown' : 'hidden', () => this.toggleModel(), 'The model’s opinion, shown or hidden'],
        ['w', 'note', this.comment ? '…' : '', () => this.write(), 'A note, kept with the vote'],
      ],
    });
    mosaic.onTick(({ ccdnames, on }) => this.setTicks(ccdnames, on));
    mosaic.onPick(pick => this.picked(pick));
    mosaic.onChange(({ ccd }) => { this.part('facts').hidden = Boolean(ccd || mosaic.other); });
  }

  // Called when the room shows another exposure.
  lookAnew() {
    this.controls.exposure(this.expnum);
    this.recall();
  }

  drawViewing() { this.controls?.draw(); }

  // Keys for looking. The room's own keys come first.
  lookKey(key) {
    const verbs = { x: () => this.tickPointed(), l: () => this.tickRow(), t: () => this.tickAll(), e: () => this.enlarge() };
    if (this.mosaic.cursorKey(key)) return true;
    if (!verbs[key]) return this.controls.key(key);
    verbs[key]();
    return true;
  }

  // ---- CCDs

  picked({ ccdname, shiftKey }) {
    if (!ccdname || this.mosaic.screen().ccd) return;
    if (this.choosing || shiftKey) this.setTicks([ccdname], !this.ticked.has(ccdname));
    else this.mosaic.openCcd(ccdname);
  }

  setTicks(ccdnames, on) {
    if (!this.canVote || this.expnum === null || !ccdnames.length) return;
    this.mosaic.blink(null);
    for (const ccdname of ccdnames) if (on) this.ticked.add(ccdname); else this.ticked.delete(ccdname);
    this.mosaic.setTicked([...this.ticked]);
    this.mosaic.setVerdict(null);
    this.refresh();
  }

  tickPointed() {
    const name = this.mosaic.pointed();
    if (!name) return;
    this.setTicks([name], !this.ticked.has(name));
    if (this.mosaic.keyed) this.mosaic.setCursor(name);
  }

  tickRow() {
    const names = this.mosaic.rowOf(this.mosaic.pointed());
    this.setTicks(names, !names.every(name => this.ticked.has(name)));
  }

  tickAll() {
    const names = this.mosaic.ccdnames();
    this.setTicks(names, this.ticked.size < names.length);
  }

  enlarge() {
    const name = this.mosaic.pointed();
    if (this.mosaic.screen().ccd) this.mosaic.closeCcd();
    else if (name) this.mosaic.openCcd(name);
  }

  // ---- from CCDs to the exposure

  nCcds(expnum = this.expnum) {
    return (expnum === this.expnum && this.mosaic.ccdnames().length) || this.facts.get(expnum)?.n_ccds || 0;
  }

  // The state of the exposure that the ticks mean, if it is judged bad now.
  rollUp() { return rollUp('bad', [...this.ticked], this.nCcds()); }

  // A vote as text: 'good', 'unsure', 'bad', or how many CCDs are bad.
  scopeOf({ expnum, judgement, ccdnames }) {
    const { state, text } = rollUp(judgement, ccdnames, this.nCcds(expnum));
    return state === 'some' ? text : judgement;
  }

  // Shows the user's earlier vote on this exposure on the mosaic.
  recall() {
    const own = this.votes.find(vote => vote.expnum === this.expnum);
    if (!own || this.ticked.size || this.choosing) return;
    const verdict = rollUp(own.judgement, own.ccdnames, this.nCcds());
    this.mosaic.setVerdict({ ...verdict, text: `you said: ${verdict.text}` });
    this.mosaic.setTicked(verdict.state === 'some' ? own.ccdnames : []);
  }

  // The model's marks: CCDs that are likely bad. If names are shown, also all probabilities that this user may know.
  mark() {
    const shown = this.shown?.expnum === this.expnum ? this.shown : null;
    this.mosaic.setOverlay(shown ? overlayOf(shown.model, this.colours, this.controls.names) : null);
  }

  // Exposures to compare with: similar labelled ones, and the one that was judged before.
  comparable() {
    const shown = this.shown?.expnum === this.expnum ? this.shown : null;
    const named = name => String(name).replaceAll('_', ' ');
    const labelled = (shown?.neighbours ?? []).map(({ expnum, reason, ccdname }) => ({ expnum, words: `labelled ${named(reason)}; its ${ccdname} is alike` }));
    const before = this.votes.filter(vote => vote.expnum !== this.expnum).slice(0, 1);
    return [...labelled.slice(0, LABELLED), ...before.map(vote => ({ expnum: vote.expnum, words: 'the one that you judged before' }))];
  }
}

// CCDs that the model calls bad have a frame. all : the others show their probability, too.
function overlayOf(model, colours, all) {
  if (!model) return null;
  const marks = Object.entries(model.ccds).filter(([, ccd]) => all || ccd.p_bad > LIKELY_BAD);
  return Object.fromEntries(marks.map(([ccdname, ccd]) => [ccdname, {
    value: ccd.p_bad, label: ccd.p_bad.toFixed(2), colour: ccd.p_bad > LIKELY_BAD ? colours[ccd.bad_reason] || '#5b6470' : '',
  }]));
}
