// What the Review room looks like: its parts, drawn from the room's state, which review.js keeps.

import { escapeText } from './evidence.js';

const STRETCH_NAMES = { faint: 'faint sky', stars: 'stars', sky: 'sky map' };
const RECENT = 20;

export class ReviewPage {
  part(name) { return this.box.querySelector(`[data-part=${name}]`); }

  draw() {
    const sheet = document.createElement('link');
    sheet.rel = 'stylesheet';
    sheet.href = `${this.model.assets_base}/review.css`;
    this.box.replaceChildren(sheet);
    this.box.insertAdjacentHTML('beforeend', `
      <div class="review" data-part="review">
        <section class="stage" aria-label="exposure">
          <div class="picture" data-part="picture"></div>
          <div class="facts" data-part="facts"></div>
          <div class="hint" data-part="hint" hidden></div>
          <label class="note" data-part="note" hidden><input type="text" maxlength="2000" placeholder="note, then Enter" aria-label="note"></label>
          <div class="viewing" data-part="viewing" role="toolbar" aria-label="looking"></div>
          <div class="empty" data-part="empty" hidden></div>
        </section>
        <aside class="side" aria-label="evidence">
          <div class="evidence" data-part="evidence"></div>
          <h3>Your last votes</h3><ol class="votes" data-part="votes"></ol>
        </aside>
        <footer class="bar-verdict" data-part="bar-verdict">
          <button class="good" data-verb="good"><span class="key">g</span>Good</button>
          <button class="bad" data-part="bad" data-verb="bad" aria-pressed="false"><span class="key">b</span>Bad</button>
          <div class="chips" data-part="chips" role="group" aria-label="reasons"></div>
          <button data-verb="unsure"><span class="key">u</span>Unsure</button>
          <button data-verb="skip"><span class="key">→</span>Skip</button>
          <div class="progress" data-part="progress" aria-live="polite"></div>
        </footer>
      </div>`);
    const verbs = {
      good: () => this.judge('good'), bad: () => this.bad(), unsure: () => this.judge('unsure'), skip: () => this.skip(),
    };
    this.box.addEventListener('click', event => {
      const button = event.target.closest('button');
      if (!button) return;
      button.blur();
      if (button.dataset.verb) verbs[button.dataset.verb]();
      if (button.dataset.look) this[button.dataset.look]();
      if (button.dataset.reason) { this.choosing = true; this.pickReason(button.dataset.reason, true); }
      if (button.dataset.expnum) this.open(Number(button.dataset.expnum));
    });
    this.box.dataset.room = 'review';
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
    const said = own ? `you said ${own.judgement}${own.reasons.length ? ': ' + own.reasons.join(', ').replaceAll('_', ' ') : ''}` : '';
    const ticked = this.ticked.size ? `${this.ticked.size} CCD${this.ticked.size === 1 ? '' : 's'} ticked` : '';
    this.part('facts').innerHTML = `<div class="expnum">${this.expnum}</div>
      <div>${line([item?.band, item?.exptime && `${item.exptime} s`, item?.date])}</div>
      <div>${line([item?.airmass && `airmass ${item.airmass}`, item?.object])}</div>
      <div>${line([item?.plver, item?.n_ccds && `${item.n_ccds} CCDs`])}</div>
      <div class="state">${line([said, ticked, this.comment && `note: ${this.comment}`])}</div>`;
  }

  drawViewing() {
    const shown = this.assisted ? 'shown' : 'hidden';
    const items = [
      ['setStretch', 's', 'stretch', STRETCH_NAMES[this.stretch]], ['setScale', 'c', 'scale', this.scale === 'all' ? 'one for all' : 'per CCD'],
      ['invert', 'v', 'invert', this.inverted ? 'on' : 'off'], ['setNames', 'n', 'names', this.named ? 'on' : 'off'],
      ['toggleModel', 'h', 'model', shown], ['write', 'w', 'note', this.comment ? '…' : ''],
    ];
    this.part('viewing').innerHTML = items.map(([verb, key, what, value]) =>
      `<button data-look="${verb}"><span class="key">${key}</span>${what} <b>${escapeText(value)}</b></button>`).join('');
  }

  drawVotes() {
    const rows = this.votes.slice(0, RECENT).map((vote, i) => `<li><button data-expnum="${vote.expnum}"
      aria-current="${vote.expnum === this.expnum}"><span class="expnum">${vote.expnum}</span>
      <span class="what">${vote.judgement}${vote.reasons.length ? ' · ' + escapeText(vote.reasons.join(', ').replaceAll('_', ' ')) : ''}</span>
      <span class="seconds">${vote.vote_id ? (vote.seconds ? `${vote.seconds.toFixed(1)} s` : '') : 'saving'}</span>
      ${i ? '' : '<span class="key">z</span>'}</button></li>`);
    this.part('votes').innerHTML = rows.join('') || '<li><p>None yet. One key votes, saves and goes on.</p></li>';
  }

  drawProgress() {
    const done = this.total - this.queue.length;
    const paces = this.votes.slice(0, 30).map(vote => vote.seconds).filter(Boolean).sort((a, b) => a - b);
    const pace = paces.length ? paces[paces.length >> 1] : null;
    const left = pace && this.queue.length ? ` · ${duration(pace * this.queue.length)} left` : '';
    const waiting = this.outbox?.waiting.length ?? 0;
    this.part('progress').innerHTML = `<div class="meter"><i style="width:${this.total ? 100 * done / this.total : 0}%"></i></div>
      ${done} of ${this.total ?? 0}${pace ? ` · ${pace.toFixed(1)} s each` : ''}${left}
      ${waiting && this.problem ? `<div class="unsaved">${waiting} not saved: ${escapeText(this.problem)}</div>` : ''}`;
  }

  refresh() {
    this.part('review').classList.toggle('choosing', this.choosing);
    this.part('bad').setAttribute('aria-pressed', this.choosing);
    this.box.querySelectorAll('[data-reason]').forEach(chip => chip.setAttribute('aria-pressed', this.reasons.has(chip.dataset.reason)));
    const hint = this.part('hint');
    hint.hidden = !this.choosing;
    hint.innerHTML = this.reasons.size
      ? '<span class="key">Enter</span>saves · more reasons may follow · click CCDs to tick the bad ones'
      : 'Bad because…? One key of the row below · with <span class="key">Shift</span>several, then <span class="key">Enter</span> · click CCDs to tick the bad ones';
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
