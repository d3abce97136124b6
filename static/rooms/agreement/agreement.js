// @ts-check
// The Agreement room: how well the inspectors agree, on which votes that is based, and the exposures behind it.
//
// One request gets all figures; the server keeps them until a vote comes in. While the room is open, it counts new votes
// every few seconds. The old figures stay on screen until the new ones arrive.

import { read } from '../../basics/ask.js';
import { whyNot } from '../../basics/send.js';
import { Turns } from '../../basics/turns.js';
import { listen } from '../../frame/keys.js';
import { withSheet } from '../../basics/room_style.js';
import { categoriesHtml, emptyHtml, groupsHtml, listHtml, pairsHtml, peopleHtml, reasonsHtml, scopeLine, SHOWN, topHtml, unlikeHtml } from './page.js';

const FIGURES = [['alpha', 'alpha', '1'], ['ac1', 'AC1', '2'], ['dice', 'Dice on bad', '3']];
const BETWEEN_MS = 5000;

export async function mount(box, model) {
  await withSheet(box, new URL('./agreement.css', import.meta.url));
  const room = new Agreement(box, model);
  await room.load();
  return () => room.close();
}

class Agreement {
  constructor(box, model) {
    this.box = box;
    this.model = model;
    this.turns = new Turns();
    this.report = null;
    this.figure = null;             // the figure that pairs and groups show
    this.unit = '';
    this.blanks = false;
    this.kind = null;
    this.reason = '';
    this.shown = SHOWN;
    this.stale = false;
    this.loadedAt = 0;
    this.draw();
    this.stopKeys = listen((key, event) => this.key(key, event));
    model.on('revision', () => this.changed());
    model.on('survey_version', () => this.changed());
    model.on('room', () => { if (this.stale && this.visible()) this.load(); });
    box.addEventListener('click', event => this.click(event));
    box.addEventListener('keydown', event => this.step(event));
  }

  close() { this.stopKeys(); clearTimeout(this.waiting); }

  visible() { return this.model.room === 'agreement'; }

  /** @returns {Part} */
  part(name) { return this.box.querySelector(`[data-part=${name}]`); }

  draw() {
    this.box.innerHTML = `<div class="agreement" tabindex="-1"><header>
      <h1>Agreement</h1><span data-part="scope" class="muted"></span><span data-part="state" role="status" class="muted"></span><span class="grow"></span>
      <span class="choice" role="group" aria-label="Unit" data-part="units" hidden>${[['exposure', 'exposures'], ['ccd', 'CCDs']].map(([name, title]) => `<button data-unit="${name}">${title}</button>`).join('')}</span>
      <label class="assume" data-part="assume" hidden><input type="checkbox" role="switch"> read blanks as good <span class="muted">(assumption)</span></label>
      <span class="choice" role="group" aria-label="Figure of pairs, bands and months" data-part="figures">${FIGURES.map(([name, title, key]) => `<button data-figure="${name}">${title} <span class="key">${key}</span></button>`).join('')}</span>
      </header><div data-part="body"><div class="empty"><span>Comparing the votes…</span></div></div></div>`;
    this.part('assume').querySelector('input').onchange = event => { this.blanks = event.target.checked; this.load(); };
  }

  changed() {
    if (!this.visible()) { this.stale = true; return; }
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.load(), Math.max(0, this.loadedAt + BETWEEN_MS - performance.now()));
  }

  async load() {
    this.stale = false;
    const newest = this.turns.begin();
    const asked = `agreement/report?unit=${this.unit}&blanks=${this.blanks ? 1 : 0}`;
    this.part('state').textContent = this.report ? 'updating…' : '';
    let report;
    try {
      const response = await fetch(asked, { headers: { Accept: 'application/json' } });
      if (!response.ok) throw new Error(await whyNot(response));
      report = await read(response);
    } catch (error) {
      if (newest()) this.failed(error instanceof TypeError ? 'no connection' : error.message);
      return;
    }
    if (!newest()) return;
    this.loadedAt = performance.now();
    this.part('state').textContent = '';
    this.report = report;
    this.fill();
  }

  failed(why) {
    this.stale = true;
    if (this.report) this.part('state').textContent = `not up to date: ${why}; tried again with the next vote`;
    else {
      this.part('body').innerHTML = '<div class="empty"><strong>The figures did not arrive.</strong><span></span><span><button data-again>Try again</button></span></div>';
      this.part('body').querySelector('span').textContent = why;
    }
  }

  fill() {
    const { report } = this;
    this.part('scope').textContent = scopeLine(report);
    this.part('assume').hidden = !report.can_assume;
    this.part('units').hidden = report.units.length < 2;
    this.mark('unit', report.unit);
    this.part('figures').hidden = !report.n_paired;
    if (!report.n_paired && !report.listed.length) { this.part('body').innerHTML = emptyHtml(report); return; }
    this.figure ??= report.figures.alpha.value === null && report.figures.dice.value !== null ? 'dice' : 'alpha';
    const totals = report.listed_total;
    if (!totals[this.kind]) this.kind = Object.keys(totals).find(name => totals[name]) || null;
    const compared = report.n_paired ? `<div class="top">${topHtml(report)}</div><div class="middle"><section aria-label="By pair"><div data-part="pairs"></div><div data-part="categories"></div></section><section aria-label="By reason">${reasonsHtml(report)}</section><section data-part="groups" aria-label="By band and month"></section></div>
      ${report.scope === 'complete' ? '' : `<section class="who" aria-label="Inspectors">${peopleHtml(report)}</section>`}` : `<div class="slim">${emptyHtml(report)}</div>`;
    const scrolled = this.box.firstChild.scrollTop;
    this.part('body').innerHTML = `${compared}<div class="bottom"><section data-part="list" aria-label="Exposures behind it"></section>${report.n_paired ? `<section aria-label="Posterior against majority">${unlikeHtml(report)}</section>` : ''}</div>`;
    this.drawFigure();
    this.drawList();
    this.box.firstChild.scrollTop = scrolled;
  }

  drawFigure() {
    this.mark('figure', this.figure);
    if (!this.part('pairs')) return;
    this.part('pairs').innerHTML = pairsHtml(this.report, this.figure);
    this.part('categories').innerHTML = categoriesHtml(this.report, this.figure);
    this.part('groups').innerHTML = groupsHtml(this.report, this.figure);
  }

  drawList() { this.part('list').innerHTML = listHtml(this.report, this); }

  mark(name, chosen) {
    for (const button of this.box.querySelectorAll(`header [data-${name}]`)) button.setAttribute('aria-pressed', String(button.dataset[name] === chosen));
  }

  click(event) {
    const button = event.target.closest('button');
    if (!button) return;
    const { figure, unit, kind, reason, open, ccd, more, again } = button.dataset;
    if (figure) { this.figure = figure; this.drawFigure(); }
    if (unit && unit !== this.report?.unit) { this.unit = unit; this.kind = null; this.reason = ''; this.load(); }
    if (kind) this.list({ kind, reason: '' }, `[data-kind="${kind}"]`);
    if (reason) this.list({ reason: reason === this.reason ? '' : reason }, `[data-reason="${reason}"]`);
    if (more !== undefined) this.list({ shown: this.shown + 5 * SHOWN }, '.listed li:last-child button');
    if (again !== undefined) this.load();
    if (open) this.model.send_msg({ focus: Number(open), ccd: ccd || '', room: this.report.role === 'viewer' ? 'explore' : 'review' });
  }

  list(values, focus) {
    if (!('shown' in values)) values.shown = SHOWN;
    Object.assign(this, values);
    this.drawList();
    this.part('list').querySelector(focus)?.focus();
  }

  // Up and down within a list of exposures.
  step(event) {
    const row = event.target.closest?.('.listed li');
    if (!row || !['ArrowDown', 'ArrowUp'].includes(event.key)) return;
    event.preventDefault();
    (event.key === 'ArrowDown' ? row.nextElementSibling : row.previousElementSibling)?.firstChild.focus();
  }

  key(key, event) {
    if (!this.visible() || event.shiftKey || document.querySelector('dialog[open]') || !this.report?.n_paired) return false;
    const chosen = FIGURES.find(([, , cap]) => cap === key);
    if (!chosen) return false;
    [this.figure] = chosen;
    this.drawFigure();
    return true;
  }
}
