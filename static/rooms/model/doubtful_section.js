// @ts-check
// "Labels that are likely wrong", a section of the Model room. Each row shows a label, its list, and why it is doubtful. A
// click opens the exposure in Review, where a vote corrects the training set.

import { count, some, text, words } from './marks.js';
import { Section } from './section.js';

const PAGE = 60;

export async function section(box, model, tools) {
  const doubts = new Doubts(box, model, tools);
  await doubts.load();
  return () => doubts.close();
}

class Doubts extends Section {
  constructor(box, model, tools) {
    super(box, model, tools, { parts: { state: 'doubt-state', body: 'doubt-body' }, follows: ['revision', 'survey_version', 'assisted'], unread: 'The labels could not be compared' });
    this.rows = [];
    this.why = '';
    this.answered = false;
    box.setAttribute('aria-label', 'Doubtful labels');
    box.innerHTML = `<style>${STYLE}</style><div class="line"><h2>Labels that are likely wrong</h2><span data-part="doubt-state" role="status" class="muted"></span><span class="grow"></span>
      <button data-act="queue" hidden title="Take these exposures as your own queue">Take as my queue</button><button data-act="map" disabled>Show on the map</button></div>
      <div class="line tabs" role="group" aria-label="Which doubts"></div><div data-part="doubt-body"><p class="muted rows-none">Comparing the labels…</p></div>`;
  }

  address(start, number) {
    return `model/doubtful?${new URLSearchParams({ why: this.why, answered: this.answered ? '1' : '0', start, count: number, assisted: this.model.assisted ? '1' : '0' })}`;
  }

  load({ start = 0, count: number = PAGE } = {}) {
    return this.read(this.address(start, number), ({ rows }) => { this.rows = start ? [...this.rows, ...rows] : rows; });
  }

  reload() { return this.load({ count: Math.max(PAGE, this.rows.length) }); }

  fill() {
    const { found } = this;
    const held = this.box.getRootNode().activeElement;
    const focused = this.box.contains(held) ? held.dataset : {};
    const top = this.box.querySelector('.doubts')?.scrollTop ?? 0;
    this.box.querySelector('[data-act=map]').disabled = this.answered || !this.rows.some(row => row.image_id !== null);
    this.box.querySelector('[data-act=queue]').hidden = !found.can_queue || !this.queueable();
    this.box.querySelector('.tabs').innerHTML = this.tabsHtml();
    this.part('doubt-body').innerHTML = this.rows.length ? this.listHtml() : `<p class="muted rows-none">${this.noneText()}</p>`;
    if (top) this.box.querySelector('.doubts')?.scrollTo(0, top);
    const again = focused.act ? `[data-act="${focused.act}"]` : focused.tab !== undefined ? `[data-tab="${focused.tab}"]` : focused.place ? `[data-place="${focused.place}"]` : '';
    if (again) this.box.querySelector(again)?.focus();
  }

  // A packet of the queue must not depend on votes.
  queueable() { return ['lists', 'neighbours'].includes(this.why) && !this.answered && this.rows.length; }

  tabsHtml() {
    const { summary, whys } = this.found;
    const tab = (key, label, n) => `<button class="chip" data-tab="${key}" aria-pressed="${this.answered ? key === 'answered' : key === this.why}">${text(label)} <b>${count(n)}</b></button>`;
    return tab('', 'all', summary.n) + whys.map(one => tab(one.name, one.rule, one.n)).join('') + tab('answered', 'settled by a verdict', summary.answered);
  }

  noneText() {
    if (this.answered) return 'No verdict has settled a doubtful label yet, or none that you may know of before your own vote.';
    if (this.why === 'votes') return 'No vote that you may know of speaks against an imported label.';
    return 'No imported label stands out. They come from <span class="mono">triptych labels import</span>; a label is doubtful if another list, votes, or nearly all similar images contradict it.';
  }

  listHtml() {
    const left = this.found.total - this.rows.length;
    return `<ul class="doubts">${this.rows.map((row, place) => this.rowHtml(row, place)).join('')}</ul>
      <p class="muted">${some(this.found.total, 'doubt')}, the surest first; above are counts of exposures. An answer in Review outranks the label in training; the label stays on record.
      ${left > 0 ? `<button data-act="more">Show ${count(Math.min(PAGE, left))} more</button>` : ''}</p>`;
  }

  rowHtml(row, place) {
    const { band, date } = row.facts;
    const picture = row.image_id === null ? '<span class="no-picture">no picture</span>'
      : `<img src="picture/thumb/${row.image_id}?s=faint&v=${this.model.picture_version}" alt="" width="72" height="36" loading="lazy">`;
    const answer = row.answer ? `<span class="tag on">verdict ${text(row.answer)}</span>` : '';
    return `<li><button class="doubt" data-place="${place}" data-open="${row.expnum}" data-ccd="${text(row.ccdnames.split(',')[0])}">${picture}
      <span class="who"><b class="mono">${row.expnum}</b><span class="muted">${text([band, date].filter(Boolean).join(' · '))}</span></span>
      <span class="label">${this.reasonsHtml(row.says)}${answer}<small class="muted">${text(row.source)}</small></span>
      <span class="why">${this.plain(row.sentence)}</span>
      <span class="sure" title="how sure it is that a label is wrong: ${row.sure.toFixed(2)}"><i style="width:${(100 * row.sure).toFixed(0)}%"></i><span>${row.sure.toFixed(2)}</span></span></button></li>`;
  }

  // Names of reasons without underscores. Names of files stay as they are.
  plain(sentence) {
    const names = Object.keys(this.found.colours).filter(name => name.includes('_'));
    return text(names.reduce((line, name) => line.replaceAll(name, name.replaceAll('_', ' ')), sentence));
  }

  reasonsHtml(says) {
    return says.split(', ').map(name => `<span class="reason"><i class="swatch" style="background:${this.found.colours[name] || 'var(--muted)'}"></i>${words(name)}</span>`).join(' ');
  }

  async click(event) {
    const button = event.composedPath().find(node => node.tagName === 'BUTTON');
    if (!button) return;
    const { open, ccd, tab, act } = button.dataset;
    if (open) this.tools.open(Number(open), ccd);
    if (tab !== undefined) {
      this.answered = tab === 'answered';
      this.why = this.answered ? '' : tab;
      await this.load();
    }
    if (act === 'again') await this.load();
    if (act === 'more') await this.load({ start: this.rows.length });
    if (act === 'map' || act === 'queue') await this.take(act);
  }

  async take(act) {
    try {
      if (act === 'map') {
        const query = new URLSearchParams({ why: this.why, assisted: this.model.assisted ? '1' : '0' });
        const { image_ids: ids } = await this.tools.ask(`model/doubtful/images?${query}`);
        this.tools.select(ids, 'labels that are likely wrong');
      } else {
        await this.tools.post('api/queue/choices', { packet: `doubtful=${this.why}` });
        this.part('doubt-state').textContent = 'Your queue holds them now; “o” in Review changes it. Give the packet to others in the Lead room.';
      }
    } catch (error) { this.part('doubt-state').textContent = error.message; }
  }
}

const STYLE = `
.model .doubts { max-height: 420px; margin: 8px 0; padding: 0; overflow: hidden auto; list-style: none; border-top: 1px solid var(--line); }
.model .doubts li { border-bottom: 1px solid var(--line); }
.model .doubt { display: grid; grid-template-columns: 72px 110px minmax(150px, 220px) minmax(0, 1fr) 92px; gap: 12px; align-items: center; width: 100%; min-height: 49px; padding: 6px 8px; border: 0; border-radius: 4px; background: none; text-align: left; }
.model .doubt:hover { background: var(--raised); } .model .doubt:focus-visible { outline-offset: -2px; }
.model .doubt img, .model .doubt .no-picture { width: 72px; height: 36px; object-fit: cover; background: var(--image); border-radius: 3px; font-size: 11px; }
.model .doubt .label { min-width: 0; } .model .doubt .label small { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.model .doubt .why { overflow-wrap: anywhere; }
.model .doubt .sure { position: relative; display: grid; gap: 3px; text-align: right; color: var(--muted); font-size: 12px; } .model .doubt .sure i { display: block; height: 4px; border-radius: 2px; background: var(--wait); justify-self: end; }
@media (max-width: 1180px) { .model .doubt { grid-template-columns: 72px 96px minmax(0, 1fr) 60px; } .model .doubt .label { grid-column: 3; } .model .doubt .why { grid-column: 2 / -1; grid-row: 2; } }`;
