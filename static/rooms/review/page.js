// @ts-check
// Draws the parts of the Review room from the room's state, which review.js keeps.

import { starWords } from '../../evidence/star_shapes.js';
import { escapeText } from '../../basics/text.js';

const RECENT = 20;

export class ReviewPage {
  /** @returns {Part} */
  part(name) { return this.box.querySelector(`[data-part=${name}]`); }

  draw() {
    this.box.replaceChildren(...['evidence/evidence.css', 'rooms/review/review.css'].map(name => {
      const sheet = document.createElement('link');
      sheet.rel = 'stylesheet';
      sheet.href = `${this.model.assets_base}/${name}`;
      return sheet;
    }));
    this.box.insertAdjacentHTML('beforeend', `
      <div class="review" data-part="review">
        <section class="stage" aria-label="exposure">
          <div class="picture" data-part="picture"></div>
          <div class="facts" data-part="facts"></div>
          <div class="hint" data-part="hint" hidden></div>
          <label class="note" data-part="note" hidden><input type="text" maxlength="2000" placeholder="note, then Enter" aria-label="note"></label>
          <div class="viewing" data-part="viewing" role="toolbar" aria-label="looking"></div>
          <div class="rules" data-part="rules" role="region" aria-label="rule and examples of a reason" hidden></div>
          <div class="empty" data-part="empty" hidden></div>
        </section>
        <aside class="side" data-part="side" aria-label="evidence">
          <div class="scrolled" tabindex="0" role="region" aria-label="evidence on this exposure"><div class="evidence" data-part="evidence"></div><div class="around" data-part="strip"></div></div>
          <div class="last"><div class="progress" data-part="progress"></div><h3>Your last votes</h3><ol class="votes" data-part="votes"></ol></div>
        </aside>
        <footer class="bar-verdict" data-part="bar-verdict">
          <button class="good" data-verb="good"><span class="key">g</span>Good</button>
          <button class="bad" data-part="bad" data-verb="bad" aria-pressed="false"><span class="key">b</span>Bad</button>
          <div class="chips" data-part="chips" role="group" aria-label="reasons"></div>
          <div class="rest"><button data-verb="unsure"><span class="key">u</span>Unsure</button>
            <button data-verb="skip"><span class="key">→</span>Skip</button></div>
        </footer>
      </div>`);
    const verbs = {
      good: () => this.judge('good'), bad: () => this.bad(), unsure: () => this.judge('unsure'), skip: () => this.skip(),
      rules: () => this.rules(), run: () => this.judgeRun(), where: () => this.where(),
      choose: () => this.bar.open(),
    };
    this.box.addEventListener('pointerover', event => this.caption(event.target.closest('[data-ccd]')?.dataset.ccd));
    this.box.addEventListener('click', event => {
      const ccd = event.target.closest('[data-ccd]');
      if (ccd) this.mosaic.openCcd(ccd.dataset.ccd);
      const button = event.target.closest('button');
      if (!button) return;
      if (event.detail) button.blur();   // after a click with the mouse; with the keyboard the focus stays
      if (button.dataset.go) /** @type {any} */ (document.querySelector(`#rooms [data-room=${button.dataset.go}]`))?.click();
      if (button.dataset.verb) verbs[button.dataset.verb]();
      if (button.dataset.look) this[button.dataset.look]();
      if (button.dataset.reason) { this.choosing = true; this.pickReason(button.dataset.reason, true); }
      if (button.dataset.expnum) this.open(Number(button.dataset.expnum));
      if (button.dataset.lookAt) this.lookAt(Number(button.dataset.lookAt));
      if (button.dataset.rule) this.help.show(this.vocabulary, button.dataset.rule);
    });
    this.box.dataset.room = 'review';
  }

  // The caption of the small map: the model's opinion of the CCD under the cursor.
  caption(ccdname) {
    const line = this.part('caption');
    const ccd = ccdname && this.shown?.model?.ccds[ccdname];
    if (!line) return;
    line.textContent = !ccd ? line.dataset.text : `${ccdname} ${ccd.p_bad.toFixed(2)} ${(ccd.bad_reason || '').replaceAll('_', ' ')}${ccd.sampled ? '' : ', not counted'}`;
  }

  drawChips() {
    this.part('chips').innerHTML = this.vocabulary.map(({ name, key, label, colour, rule }) => `
      <button data-reason="${name}" aria-pressed="false" title="${escapeText(rule)}"><span class="key">${key}</span><i class="dot"
        style="background:${colour}"></i>${escapeText(label)}</button>`).join('');
    this.part('bar-verdict').querySelectorAll('button').forEach(button => { button.disabled = !this.canVote && button.dataset.verb !== 'skip'; });
  }

  drawFacts() {
    const item = this.facts.get(this.expnum);
    if (this.expnum === null) { this.part('facts').innerHTML = ''; return; }
    const line = parts => parts.filter(Boolean).map(escapeText).join(' · ');
    const own = this.votes.find(vote => vote.expnum === this.expnum);
    const back = this.origin !== null ? `around ${this.origin}: Esc goes back` : '';
    const said = own ? `you said ${own.judgement}${own.reasons.length ? ': ' + own.reasons.join(', ').replaceAll('_', ' ') : ''}` : '';
    const again = item?.reprocessed;
    const looks = again?.much === true ? `looks different now (moved ${again.moved} × the distance to another)` : again?.much === false ? 'looks the same' : '';
    const { old } = this.shown?.expnum === this.expnum ? this.shown : {};
    const before = old ? `of the old version ${old.plver} you said ${old.judgement}${old.reasons.length ? ': ' + old.reasons.join(', ').replaceAll('_', ' ') : ''}` : '';
    const ticked = this.ticked.size ? `ticked: ${this.rollUp().text}` : '';
    this.part('facts').innerHTML = `<div class="expnum">${this.expnum}</div>
      <div>${line([item?.band, item?.exptime && `${item.exptime} s`, item?.date && `night ${item.date}`])}</div>
      <div>${line([item?.airmass && `airmass ${item.airmass}`, item?.object])}</div>
      <div>${line(starWords(item))}</div>
      <div>${line([item?.plver, item?.n_ccds && `${item.n_ccds} CCDs`])}</div>
      ${again ? `<div class="again">${[`processed again: ${again.before} → ${again.now}`, looks].map(escapeText).join('<br>')}</div>` : ''}${before ? `<div class="again">${escapeText(before)}</div>` : ''}
      <div class="state">${line([back, said, ticked, this.comment && `note: ${this.comment}`])}</div>
      ${own ? '<button class="quiet where" data-verb="where"><span class="key">i</span> where this comes from</button>' : ''}`;
  }

  drawVotes() {
    const rows = this.votes.slice(0, RECENT).map((vote, i) => `<li><button data-expnum="${vote.expnum}"
      aria-current="${vote.expnum === this.expnum}"><span class="expnum">${vote.expnum}</span>
      <span class="what">${this.scopeOf(vote)}${vote.reasons.length ? ' · ' + escapeText(vote.reasons.join(', ').replaceAll('_', ' ')) : ''}</span>
      <span class="seconds">${vote.vote_id ? (vote.seconds ? `${vote.seconds.toFixed(1)} s` : '') : 'saving'}</span>
      ${i ? '' : '<span class="key">z</span>'}</button></li>`);
    this.part('votes').innerHTML = rows.join('') || `<li><p>${this.canVote ? 'None yet. One key votes, saves and goes on.' : 'You look on: your role does not vote. A lead can change it.'}</p></li>`;
  }

  // How many exposures wait: those in this page, and those behind them that it has not got yet.
  get left() { return this.queue.length + (this.behind ?? 0); }

  // Judged, all and left; the median time of the last votes, the time left at that pace, and the share that is unsure.
  drawProgress() {
    if (this.total === undefined) return;
    const { left } = this;
    const done = this.total - left;
    const paces = this.votes.slice(0, 30).map(vote => vote.seconds).filter(Boolean).sort((a, b) => a - b);
    const pace = paces.length ? (paces[(paces.length - 1) >> 1] + paces[paces.length >> 1]) / 2 : null;
    const { n, unsure } = this.said;
    const first = [`<b>${done}</b> of ${this.total}`, `${left} left`, pace && left && `about ${duration(pace * left)}`];
    const second = [pace && `${pace.toFixed(1)} s each`, n > 0 && `${Math.round(100 * unsure / n)} % unsure`];
    const waiting = this.outbox?.waiting.length ?? 0;
    const third = waiting && this.problem ? `<div class="unsaved">${waiting} not saved: ${escapeText(this.problem)}</div>` : `<div>${second.filter(Boolean).join(' · ')}</div>`;
    this.part('progress').innerHTML = `<div class="meter"><i style="width:${this.total ? 100 * done / this.total : 0}%"></i></div>
      <div>${first.filter(Boolean).join(' · ')}</div>${third}`;
  }

  // What a bad vote would say now, and which keys end it.
  hintHtml() {
    const enter = '<span class="key">Enter</span>', ticks = 'click them, <span class="key">x</span>one <span class="key">l</span>row';
    const how = !this.reasons.size ? `Bad because…? One key of the row below · <span class="key">⇧</span>several, then ${enter}`
      : this.asksForCcds() ? 'on which CCDs?' : `${enter}saves · more reasons may follow`;
    const names = [...this.reasons].join(', ').replaceAll('_', ' ');
    const byModel = this.suggested.size && this.ticked.size === this.suggested.size && [...this.ticked].every(name => this.suggested.has(name));
    const what = this.asksForCcds() ? names : `${names ? `${names}: ` : ''}${this.rollUp().text}${byModel ? ', those that the model suspects' : ''}`;
    const which = this.onCcds() ? `other CCDs? ${ticks} <span class="key">t</span>the whole exposure, or none` : `only some CCDs? ${ticks} <span class="key">t</span>all or none`;
    return `<b>${escapeText(what)}</b> · ${how} · <span class="key">r</span>rules<br>${which}`;
  }

  refresh() {
    this.part('review').classList.toggle('choosing', this.choosing);
    this.part('bad').setAttribute('aria-pressed', String(this.choosing));
    this.box.querySelectorAll('[data-reason]').forEach(chip => chip.setAttribute('aria-pressed', this.reasons.has(chip.dataset.reason)));
    const hint = this.part('hint');
    hint.hidden = !this.choosing;
    hint.innerHTML = this.choosing ? this.hintHtml() : '';
    this.drawFacts();
    this.drawViewing();
    this.drawVotes();
    this.drawProgress();
    this.box.dataset.expnum = this.expnum ?? '';
  }
}

function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
