// @ts-check
// Draws the parts of the Adjudicate room from the room's state, which adjudicate.js keeps.

import { evidenceHtml } from '../../evidence/evidence.js';
import { starWords } from '../../evidence/star_shapes.js';
import { keepDraft } from '../../basics/drafts.js';
import { escapeText } from '../../basics/text.js';
import { moment } from '../../basics/when.js';
import { composing } from '../../frame/keys.js';

const STRETCH_NAMES = { faint: 'faint sky', stars: 'stars', sky: 'sky map' };
const STATE_NAMES = { split: 'split', unsure: 'unsure', differ: 'differ so far', posterior: 'posterior differs', outvoted: 'outvoted', single_bad: 'one imported bad' };
const ORDERS = {
  age: 'longest waiting first', score: 'most suspicious first', posterior: 'least certain posterior first', reason: 'by reason', night: 'by night', expnum: 'by number',
};
const LETTERS = { good: 'g', bad: 'b', unsure: 'u' };
const DECISIONS_SHOWN = 200;
const clear = name => escapeText(String(name).replaceAll('_', ' '));

export class AdjudicatePage {
  /** @returns {Part} */
  part(name) { return this.box.querySelector(`[data-part=${name}]`); }

  draw() {
    this.box.replaceChildren(...['evidence/evidence.css', 'rooms/adjudicate/adjudicate.css'].map(name => {
      const sheet = document.createElement('link');
      sheet.rel = 'stylesheet';
      sheet.href = `${this.model.assets_base}/${name}`;
      return sheet;
    }));
    this.box.insertAdjacentHTML('beforeend', `
      <div class="adjudicate" data-part="adjudicate">
        <nav class="queue" aria-label="exposures that wait for a decision">
          <div class="filters" data-part="filters"></div>
          <label class="order">Order <select data-part="order">${Object.entries(ORDERS).map(([name, text]) => `<option value="${name}">${text}</option>`).join('')}</select></label>
          <ol data-part="list"><li class="note">Reading the votes…</li></ol>
        </nav>
        <section class="stage" aria-label="exposure">
          <div class="picture" data-part="picture"></div>
          <div class="facts" data-part="facts"></div>
          <div class="empty" data-part="nopicture" hidden><strong>No pictures of this exposure in this run.</strong><span>Its votes were imported. Ingest it to see it, or decide by the answers below.</span></div>
          <div class="viewing" data-part="viewing" role="toolbar" aria-label="looking"></div>
          <div class="empty" data-part="empty" hidden></div>
        </section>
        <aside class="review" aria-label="evidence and decisions"><div class="side" tabindex="0" data-part="evidence" role="region" aria-label="the model’s opinion"></div>
          <div class="side" tabindex="0" role="region" aria-label="decisions made">
          <h3>Decisions <span class="of" data-part="count"></span></h3><ol class="decisions" data-part="decisions"></ol>
        </div></aside>
        <section class="votes" data-part="votes" aria-label="votes side by side"></section>
        <footer class="decide" data-part="bar">
          <button class="good" data-verb="good" aria-pressed="false"><span class="key">g</span>Good</button>
          <button class="bad" data-verb="bad" aria-pressed="false"><span class="key">b</span>Bad</button>
          <div class="steps">
            <div class="asked"><div class="hint" data-part="hint"></div><label class="words" data-part="wordsline" hidden><span class="key">w</span><input type="text" data-part="words" maxlength="2000" placeholder="in your own words, then Enter" aria-label="why, in your own words"></label></div>
            <div class="chips" data-part="chips" role="group" aria-label="reasons" hidden></div>
            <div class="chips" data-part="phrases" role="group" aria-label="why" hidden></div>
          </div>
          <button data-verb="undo"><span class="key">z</span>Undo</button>
          <button data-verb="skip"><span class="key">→</span>Later</button>
          <div class="progress" data-part="progress" role="status"></div>
        </footer>
      </div>`);
    this.box.dataset.room = 'adjudicate';
    this.part('order').onchange = event => { this.order = event.target.value; event.target.blur(); this.drawList(); };
    this.listenToClicks();
    this.part('words').addEventListener('input', event => keepDraft(`why-${this.expnum}`, event.target.value));
    this.part('words').addEventListener('keydown', event => {
      event.stopPropagation();
      if (composing(event)) return;
      if (event.key === 'Enter' && event.target.value.trim()) { const { value } = event.target; event.target.blur(); this.decide(value); }
      if (event.key === 'Escape') { event.target.blur(); this.refresh(); }
    });
    const votes = this.part('votes');
    for (const kind of ['pointerover', 'focusin']) votes.addEventListener(kind, event => this.showTicks(event.target.closest('[data-inspector]')?.dataset.inspector ?? ''));
    for (const kind of ['pointerleave', 'focusout']) votes.addEventListener(kind, () => this.showTicks());
  }

  listenToClicks() {
    const verbs = { good: () => this.begin('good'), bad: () => this.begin('bad'), undo: () => this.undo(), skip: () => this.skip(), where: () => this.where() };
    this.box.addEventListener('click', event => {
      const ccd = event.target.closest('[data-ccd]');
      if (ccd) this.mosaic.openCcd(ccd.dataset.ccd);
      const button = event.target.closest('button');
      if (!button) return;
      const { verb, look, reason, phrase, expnum, state, retract } = button.dataset;
      if (verb) { button.blur(); verbs[verb](); }
      if (look) { button.blur(); this[look](); }
      if (reason) this.pickReason(reason, true);
      if (phrase) this.decide(this.phrases[this.judgement][Number(phrase)]);
      if (expnum) { button.blur(); this.open(Number(expnum)); }
      if (state) this.toggleState(state);
      if (retract) this.retract(this.decisions.find(made => String(made.adjudication_id) === retract));
    });
  }

  toggleState(state) {
    if (state === 'without') this.withoutPictures = !this.withoutPictures;
    else if (!this.chosen.delete(state)) this.chosen.add(state);
    this.drawFilters();
    this.drawList();
    this.drawProgress();
    if (this.expnum === null) this.next();
  }

  // ---- the list

  drawFilters() {
    const inRun = this.items.filter(item => item.in_run || this.withoutPictures);
    const chips = this.states.map(({ name, rule }) => {
      const count = inRun.filter(item => item.states.includes(name)).length;
      return `<button class="chip" data-state="${name}" aria-pressed="${this.chosen.has(name)}" title="${escapeText(rule)}">${STATE_NAMES[name]}<span class="count">${count.toLocaleString('en')}</span></button>`;
    });
    const without = this.items.filter(item => !item.in_run).length;
    if (without) chips.push(`<button class="chip" data-state="without" aria-pressed="${this.withoutPictures}" title="exposures that were voted on and are not in this run">without pictures<span class="count">${without.toLocaleString('en')}</span></button>`);
    const focused = this.box.getRootNode().activeElement?.dataset?.state;
    this.part('filters').innerHTML = chips.join('');
    if (focused) this.part('filters').querySelector(`[data-state=${focused}]`)?.focus();
  }

  drawList() {
    const list = this.list();
    const rows = list.map(item => `<li><button data-expnum="${item.expnum}" aria-current="${item.expnum === this.expnum}">
      <span class="expnum">${item.expnum}</span><span class="ballots">${ballots(item)}</span>
      <span class="what">${clear(item.states.map(state => STATE_NAMES[state]).join(', '))}${item.own ? ' · your vote' : ''}</span></button></li>`);
    const none = this.items.length ? 'None in the states chosen above.' : 'No exposure waits for a decision.';
    const focused = this.part('list').contains(this.box.getRootNode().activeElement) ? this.box.getRootNode().activeElement.dataset.expnum : '';
    this.part('list').innerHTML = rows.join('') || `<li class="note">${none}</li>`;
    if (focused) this.part('list').querySelector(`[data-expnum="${focused}"]`)?.focus();
    this.part('list').querySelector('[aria-current=true]')?.scrollIntoView({ block: 'nearest' });
  }

  drawEmpty() {
    const empty = this.part('empty');
    empty.hidden = false;
    const others = this.items.length - this.list().length;
    empty.innerHTML = this.items.length
      ? `<strong>Nothing waits in the states chosen.</strong><span>${others === 1 ? '1 exposure is' : `${others.toLocaleString('en')} exposures are`} in other states: choose them at the left.</span>`
      : '<strong>The votes decide everything.</strong><span>Exposures come here when inspectors disagree or are unsure. Decisions made are at the right.</span>';
    this.part('votes').innerHTML = '';
    this.part('evidence').innerHTML = '';
    this.part('nopicture').hidden = true;
  }

  failed() {
    const empty = this.part('empty');
    empty.hidden = false;
    empty.innerHTML = '<strong>The queue did not arrive.</strong><span>Check the connection, then open the room again.</span>';
    this.part('list').innerHTML = '';
  }

  // ---- the votes

  drawVotes(problem = '') {
    if (problem) { this.part('votes').innerHTML = `<p class="note">${escapeText(problem)}</p>`; return; }
    const { votes, verdicts, own } = this.shown;
    const missing = Math.max(0, this.panel - votes.length);
    const policies = Object.entries(verdicts).map(([name, verdict]) => `<span>${name} <b class="v-${verdict}">${verdict}</b></span>`).join('');
    const summary = `<div class="summary"><h3>The votes say</h3>${policies || '<span>nobody has voted</span>'}
      ${missing ? `<p>${missing} of ${this.panel} votes missing</p>` : ''}
      ${own ? '<p class="own"><b>One of these votes is yours:</b> you judge your own vote.</p>' : ''}</div>`;
    const old = this.shown.old.length ? `<div class="summary"><h3>Of the old version</h3>${this.shown.old.map(vote => `<span>${escapeText(vote.inspector)} <b class="v-${vote.judgement}">${vote.judgement}</b>
      ${vote.reasons.map(clear).join(', ')} <span class="muted">${escapeText(vote.plver)}</span></span>`).join('')}</div>` : '';
    this.part('votes').innerHTML = summary + votes.map(vote => this.voteHtml(vote)).join('') + old;
  }

  voteHtml(vote) {
    const { screen } = vote;
    const looked = [
      screen.seconds && `${Number(screen.seconds).toFixed(1)} s`,
      'model_shown' in screen && `model ${screen.model_shown ? 'shown' : 'hidden'}`,
      screen.stretch && (STRETCH_NAMES[screen.stretch] ?? screen.stretch),
      screen.ccds_opened?.length && `opened ${screen.ccds_opened.slice(0, 4).join(' ')}`,
      screen.answer && `answered “${screen.answer}”`,
    ].filter(Boolean);
    const how = vote.via === 'import' ? 'imported' : `${vote.via}, ${vote.blind ? 'blind' : 'not blind'}`;
    const reasons = vote.reasons.map(name => `<span class="reason"><i class="dot" style="background:${this.colours[name] || '#5b6470'}"></i>${clear(name)}</span>`);
    const changed = vote.earlier.length ? `<div class="muted">before: ${vote.earlier.map(old => escapeText([old.judgement, ...old.reasons].join(' ').replaceAll('_', ' '))).join('; ')}</div>` : '';
    const ticked = vote.ccdnames.length ? `<div>${vote.ccdnames.length} CCD${vote.ccdnames.length === 1 ? '' : 's'}: <span class="mono">${escapeText(vote.ccdnames.slice(0, 12).join(' '))}${vote.ccdnames.length > 12 ? ' …' : ''}</span></div>` : '';
    return `<article class="vote" tabindex="0" data-inspector="${escapeText(vote.inspector)}" aria-label="vote of ${escapeText(vote.inspector)}">
      <header><b>${escapeText(vote.inspector)}${vote.inspector === this.model.user ? ' (you)' : ''}</b><span class="judgement j-${vote.judgement}"><span class="letter">${LETTERS[vote.judgement]}</span>${vote.judgement}</span></header>
      ${reasons.length ? `<div>${reasons.join(' ')}</div>` : ''}
      ${vote.comment ? `<div class="comment">“${escapeText(vote.comment)}”</div>` : ''}${ticked}
      <div class="muted">${escapeText([how, ...looked].join(' · '))}</div>${changed}
      <div class="muted">${escapeText(moment(vote.created_utc))}${vote.plver ? ` · ${escapeText(vote.plver)}` : ''}</div></article>`;
  }

  drawEvidence() {
    if (!this.shown) return;
    const answer = this.opinion ? { ...this.shown, assisted: true, voted: true, mine: null } : { ...this.shown, model: null, neighbours: [], assisted: false, voted: false, mine: null };
    this.part('evidence').innerHTML = this.opinion
      ? evidenceHtml(answer, { colours: this.colours, letters: Object.fromEntries(this.vocabulary.map(({ name, key }) => [name, key])), stretch: this.stretch, version: this.model.picture_version, slots: this.slots })
      : '<h3>The model’s opinion</h3><p>Hidden. <span class="key">h</span>shows it.</p>';
  }

  // ---- decisions, steps, progress

  drawDecisions() {
    this.part('count').textContent = this.decisions.length ? this.decisions.length.toLocaleString('en') : '';
    const rows = this.decisions.slice(0, DECISIONS_SHOWN).map(made => {
      const words = [made.judgement, ...made.reasons.map(name => name.replaceAll('_', ' '))].join(' · ');
      return `<li><button data-expnum="${made.expnum}" aria-current="${made.expnum === this.expnum}"><span class="expnum">${made.expnum}</span>
        <span class="what"><b class="v-${made.judgement}">${escapeText(words)}</b> ${escapeText(made.comment)}</span>
        <span class="who">${made.adjudication_id ? escapeText(made.lead) : 'saving'}</span></button></li>`;
    });
    this.part('decisions').innerHTML = rows.join('') || '<li><p>None yet.</p></li>';
  }

  drawChips() {
    this.part('chips').innerHTML = this.vocabulary.map(({ name, key, label, colour, rule }) => `
      <button data-reason="${name}" aria-pressed="false" title="${escapeText(rule)}"><span class="key">${key}</span><i class="dot" style="background:${colour}"></i>${escapeText(label)}</button>`).join('');
  }

  drawSteps() {
    const { step, judgement, expnum } = this;
    const ready = expnum !== null;
    for (const verb of ['good', 'bad']) {
      const button = this.part('bar').querySelector(`[data-verb=${verb}]`);
      button.setAttribute('aria-pressed', String(judgement === verb));
      button.disabled = !ready;
    }
    this.part('bar').querySelector('[data-verb=skip]').disabled = !ready;
    this.part('bar').querySelector('[data-verb=undo]').disabled = !this.decisions.some(one => one.lead === this.model.user);
    this.part('chips').hidden = step !== 'reasons';
    this.part('phrases').hidden = this.part('wordsline').hidden = step !== 'why';
    this.box.querySelectorAll('[data-reason]').forEach(chip => chip.setAttribute('aria-pressed', String(this.reasons.has(chip.dataset.reason))));
    const made = this.decisions.find(one => one.expnum === expnum && one.adjudication_id);
    const named = [...this.reasons].map(name => name.replaceAll('_', ' ')).join(', ');
    const hints = {
      reasons: named ? `Bad because of <b>${escapeText(named)}</b>. <span class="key">Enter</span> goes on to why.`
        : 'Bad because…? One key; with <span class="key">⇧</span> several. <span class="key">Enter</span> alone keeps the inspectors’ reasons.',
      why: `<b>${judgement}${named ? `: ${escapeText(named)}` : ''}</b>, why?${this.lastWhy[judgement] ? ` <span class="key">Enter</span> as the last time: “${escapeText(this.lastWhy[judgement])}”` : ''}`,
      '': made ? `Decided by ${escapeText(made.lead)}: <b class="v-${made.judgement}">${made.judgement}</b>, “${escapeText(made.comment)}”. <button class="quiet" data-retract="${made.adjudication_id}">Take back</button>`
        : ready ? 'Your decision stands above the votes, in every list and in what the model learns.' : '',
    };
    this.part('hint').innerHTML = hints[step];
    if (step === 'why') {
      this.part('phrases').innerHTML = this.phrases[judgement].map((text, place) => `<button data-phrase="${place}"><span class="key">${place + 1}</span>${escapeText(text)}</button>`).join('');
    }
  }

  drawFacts() {
    const facts = this.shown?.expnum === this.expnum ? this.shown.facts : null;
    const item = this.expnum === null ? null : this.item(this.expnum);
    const line = parts => parts.filter(Boolean).map(escapeText).join(' · ');
    this.part('facts').innerHTML = this.expnum === null ? '' : `<div class="expnum">${this.expnum}</div>
      <div>${line([facts?.band ?? item?.band, facts?.exptime && `${facts.exptime} s`, facts?.date])}</div>
      <div>${line([facts?.airmass && `airmass ${facts.airmass}`, facts?.object])}</div>
      <div>${line(starWords(facts))}</div>
      <div>${line([facts?.plver, item?.p_bad !== null && item?.p_bad !== undefined && `posterior ${item.p_bad.toFixed(2)} bad`])}</div>
      <button class="quiet where" data-verb="where"><span class="key">i</span> where this comes from</button>`;
  }

  drawViewing() {
    const items = [
      ['setStretch', 's', 'stretch', STRETCH_NAMES[this.stretch]], ['setScale', 'c', 'scale', this.scale === 'all' ? 'one for all' : 'per CCD'],
      ['invert', 'v', 'invert', this.inverted ? 'on' : 'off'], ['setNames', 'n', 'names', this.named ? 'on' : 'off'],
      ['toggleModel', 'h', 'model', this.opinion ? 'shown' : 'hidden'],
    ];
    this.part('viewing').innerHTML = items.map(([verb, key, what, value]) => `<button data-look="${verb}"><span class="key">${key}</span>${what} <b>${escapeText(value)}</b></button>`).join('');
  }

  drawProgress() {
    const left = this.list().length, done = this.decisions.length;
    const waiting = this.outbox?.waiting.length ?? 0;
    this.part('progress').innerHTML = `<div class="meter"><i style="width:${done + left ? 100 * done / (done + left) : 0}%"></i></div>
      ${done.toLocaleString('en')} decided · ${left.toLocaleString('en')} left
      ${waiting && this.problem ? `<div class="unsaved">${waiting} not saved: ${escapeText(this.problem)}</div>` : ''}`;
  }

  refresh() {
    if (!this.items) return;
    this.drawList();
    this.drawSteps();
    this.drawFacts();
    this.drawViewing();
    this.drawDecisions();
    this.drawProgress();
    this.box.dataset.expnum = this.expnum ?? '';
    this.box.dataset.step = this.step;
  }
}

function ballots({ n_bad: bad, n_good: good, n_unsure: unsure }) {
  return [['bad', bad], ['good', good], ['unsure', unsure]].flatMap(([name, n]) => n > 3 ? [`<i class="j-${name}">${LETTERS[name]}${n}</i>`] : Array(n).fill(`<i class="j-${name}">${LETTERS[name]}</i>`)).join('');
}
