// @ts-check
// "Live", a section of the Model room: what the votes since the last fit change. The worker follows the votes. After each
// vote this section asks until the worker has followed it, so that the list is up to date within seconds.

import { count, some, text } from './marks.js';
import { rowsHtml } from './page.js';

const SOON_MS = 700;          // between two requests while the worker follows the votes
const LATER_MS = 5000;        // between two requests when that takes longer
const SOON = 20;              // number of requests at the fast rate

export async function section(box, model, tools) {
  const live = new Live(box, model, tools);
  await live.load();
  return () => live.close();
}

class Live {
  constructor(box, model, tools) {
    this.box = box;
    this.model = model;
    this.tools = tools;
    this.found = null;
    this.drawn = '';
    this.tries = 0;
    this.turn = 0;
    this.closed = false;
    box.setAttribute('aria-label', 'Live changes');
    box.innerHTML = `<div class="line"><h2>Live: what the votes change</h2><span data-part="live-state" role="status" class="muted"></span><span class="grow"></span><button data-act="live-map" disabled>Show on the map</button></div><div data-part="live-body"><p class="muted rows-none">Reading what the votes change…</p></div>`;
    for (const name of ['revision', 'survey_version', 'assisted']) model.on(name, () => this.changed());
    model.on('room', () => { if (this.visible() && this.waits()) this.changed(); });
    box.addEventListener('click', event => this.click(event));
  }

  close() { this.closed = true; clearTimeout(this.timer); }

  visible() { return this.model.room === 'model'; }

  /** @returns {Part} */
  part(name) { return this.box.querySelector(`[data-part="${name}"]`); }

  // Whether this page knows of votes that the worker has not followed yet.
  waits() {
    return !this.found || ['waiting', 'behind'].includes(this.found.state) || this.found.followed < this.model.revision;
  }

  changed() {
    if (this.closed) return;
    this.tries = 0;
    this.again(SOON_MS);
  }

  again(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (!this.closed && this.visible()) this.load(); }, ms);
  }

  address(...more) { return `${['model/live', ...more].join('/')}?assisted=${this.model.assisted ? 1 : 0}`; }

  async load() {
    const turn = ++this.turn;
    try {
      const found = await this.tools.ask(this.address());
      if (turn !== this.turn || this.closed) return;
      this.found = found;
      this.fill();
    } catch (error) {
      if (turn !== this.turn || this.closed) return;
      this.failed(error.message);
      this.again(LATER_MS);
      return;
    }
    if (this.waits()) this.again(this.tries++ < SOON ? SOON_MS : LATER_MS);
  }

  failed(why) {
    this.part('live-state').textContent = this.found ? `not up to date: ${why}` : '';
    if (!this.found) this.part('live-body').innerHTML = `<p class="problem">What the votes change could not be read: ${text(why)}. It is asked for again.</p>`;
  }

  fill() {
    const { found } = this;
    this.part('live-state').textContent = this.stateText();
    this.part('live-state').dataset.followed = found.followed;
    this.part('live-state').dataset.state = this.waits() ? 'behind' : found.state;
    this.box.querySelector('[data-act="live-map"]').disabled = !found.seen;
    const html = this.bodyHtml();
    if (html === this.drawn) return;
    this.drawn = html;
    const held = this.box.getRootNode().activeElement;
    const { open = '', ccd = '' } = this.part('live-body').contains(held) ? held.dataset : {};
    const top = this.box.querySelector('.changes')?.scrollTop;
    this.part('live-body').innerHTML = html;
    if (top) this.box.querySelector('.changes')?.scrollTo(0, top);
    if (open) this.box.querySelector(`[data-open="${open}"]${ccd ? `[data-ccd="${ccd}"]` : ''}`)?.focus();
  }

  stateText() {
    const { found } = this;
    if (found.state === 'waiting') return 'the worker reads the votes for the first time…';
    if (this.waits()) return this.tries > SOON ? 'the worker is busy; for a large survey the first time after a fit takes minutes' : 'following the votes…';
    if (found.state === 'failed') return '';
    return `up to date; found in ${found.seconds.toFixed(1)} s`;
  }

  bodyHtml() {
    const { found } = this;
    if (found.state === 'waiting') return '<p class="muted rows-none">The worker of the server follows the votes. If nothing comes, it may run without one (--no-worker): <span class="mono">triptych live RUN</span> does the same.</p>';
    const problem = found.error ? `<p class="problem">The votes cannot be followed: ${text(found.error)}.</p>` : '';
    if (found.state === 'failed' && !found.rows.length) return problem;
    const labels = [['added', 'new'], ['relabelled', 'changed'], ['reweighted', 'weighed otherwise'], ['removed', 'gone']].filter(([name]) => found[name]).map(([name, title]) => `<b>${count(found[name])}</b> ${title}`);
    const since = labels.length ? `Labels of images since ${text(found.model)}: ${labels.join(', ')}. ` : '';
    const learners = found.learners ? ` ${text(found.model)} has learners besides: its own answers, and the candidates, move with the next retraining.` : '';
    const says = `<p>${since}By its ${count(found.neighbours)} nearest labelled images <b>${some(found.total, 'exposure')}</b> would be answered otherwise than when ${text(found.model)} was fitted.${learners}</p>`;
    if (!found.total) return `${problem}${says}<p class="muted rows-none">Nothing changes yet. Exposures are listed here seconds after a verdict on a similar exposure.</p>`;
    const list = { list: 'moved', total: { moved: found.total }, seen: { moved: found.seen }, rows: found.rows };
    return problem + says + rowsHtml({ overview: { role: found.role, colours: found.colours }, found: list, model: this.model });
  }

  async click(event) {
    const button = event.composedPath().find(node => node.tagName === 'BUTTON');
    if (!button) return;
    if (button.dataset.open) this.tools.open(Number(button.dataset.open), button.dataset.ccd || '');
    if (button.dataset.act !== 'live-map') return;
    try {
      const { image_ids: ids } = await this.tools.ask(this.address('moved'));
      this.tools.select(ids, 'what the votes since the last fit change');
    } catch (error) { this.failed(error.message); }
  }
}
