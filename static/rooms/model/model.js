// @ts-check
// The Model room: the model in use and what taught it, what the last retraining changed and why, how much it improved, and
// all earlier models. A lead chooses the model of the run. Each user decides when their page shows another model.

import { read } from '../../basics/ask.js';
import { send, whyNot } from '../../basics/send.js';
import { listen } from '../../frame/keys.js';
import { withSheet } from '../../basics/room_style.js';
import { section as asking } from './asking_section.js';
import { section as doubtful } from './doubtful_section.js';
import { changesHtml, currentHtml, emptyHtml, failedHtml, figuresHtml, LISTS, logHtml, mineHtml, modelsHtml, taughtHtml, workHtml } from './page.js';

const SECTIONS = { doubtful_section: doubtful, asking_section: asking };
const OPEN = ['waiting', 'running'];

export async function mount(box, model) {
  await withSheet(box, new URL('./model.css', import.meta.url));
  const room = new ModelRoom(box, model);
  await room.load();
  return () => room.close();
}

// The answer of a route. Throws an error with one line that says what to do.
async function ask(url, body) {
  let response;
  try {
    response = await (body === undefined ? fetch(url, { headers: { Accept: 'application/json' } }) : send(url, body));
  } catch { throw new Error(`no connection to the server${body === undefined ? '' : '; nothing was changed'}`); }
  if (!response.ok) throw new Error(await whyNot(response));
  return read(response);
}

class ModelRoom {
  constructor(box, model) {
    this.box = box;
    this.model = model;
    this.overview = null;
    this.found = null;             // the changes of one retraining: one list
    this.which = '';               // id of the chosen retraining; '' = the one in use
    this.list = 'moved';
    this.asking = '';              // the model that a lead is about to use for all
    this.stale = false;
    this.turn = 0;
    this.draw();
    this.stopKeys = listen((key, event) => this.key(key, event));
    for (const name of ['survey_version', 'new_prediction', 'assisted', 'revision']) model.on(name, () => this.changed());
    model.on('work', () => this.worked());
    model.on('room', () => { if (this.stale && this.visible()) this.load(); });
    box.addEventListener('click', event => this.click(event));
    box.addEventListener('change', event => { if (event.target.dataset.part === 'which') this.choose({ which: event.target.value }); });
  }

  close() { this.stopKeys(); this.closeSections?.(); }

  visible() { return this.model.room === 'model'; }

  get lead() { return this.overview?.role === 'lead'; }

  /** @returns {Part} */
  part(name) { return this.box.querySelector(`[data-part="${name}"]`); }

  draw() {
    this.box.innerHTML = `<div class="model" tabindex="-1"><header><h1>Model</h1><span data-part="current"></span><span data-part="state" role="status" class="muted"></span><span class="grow"></span>
      <span data-part="mine"></span><button data-act="retrain" data-part="retrain" hidden>Retrain from the votes</button></header>
      <div data-part="work" class="work" hidden></div>
      <div data-part="body"><div class="empty"><span>Reading the models…</span></div></div></div>`;
  }

  // ---- asking

  changed() {
    if (this.visible()) this.load();
    else this.stale = true;
  }

  // While a retraining runs, this reads only its progress and the log. When it has ended, it reads everything.
  async worked() {
    if (!this.overview) return;
    const was = this.overview.job;
    const now = this.model.work;
    if (!OPEN.includes(now.state) && OPEN.includes(was?.state)) { this.changed(); return; }
    if (!OPEN.includes(now.state) || !this.visible()) return;
    this.overview.job = { ...was, ...now };
    this.drawWork();
    const { turn } = this;
    try {
      const work = await ask('model/work');
      if (turn === this.turn) this.took(work);   // or else the whole room is being read
    } catch { /* the next step of the work asks again */ }
  }

  took({ job, log }) {
    Object.assign(this.overview, { job, log });
    this.drawWork();
  }

  async load() {
    this.stale = false;
    const turn = ++this.turn;
    this.loading = true;
    this.part('state').textContent = this.overview ? 'updating…' : '';
    try {
      const overview = await ask('model/overview');
      if (turn !== this.turn) return;
      const id = this.chosen(overview);
      const found = id ? await ask(this.address('retraining', id)) : null;
      if (turn !== this.turn) return;
      Object.assign(this, { overview, found });
      this.part('state').textContent = '';
      this.fill();
    } catch (error) { if (turn === this.turn) this.failed(error.message); } finally { if (turn === this.turn) this.loading = false; }
  }

  chosen({ retrainings, retraining }) { return retrainings.some(({ id }) => id === this.which) ? this.which : retraining; }

  address(name, id = this.found.id) {
    return `model/${name}?${new URLSearchParams({ id, list: this.list, assisted: this.model.assisted ? '1' : '0' })}`;
  }

  failed(why) {
    this.stale = true;
    if (this.overview) { this.part('state').textContent = `not up to date: ${why}`; return; }
    this.part('body').innerHTML = '<div class="empty"><strong>The models could not be read.</strong><span></span><span><button data-act="again">Try again</button></span></div>';
    this.part('body').querySelector('span').textContent = why;
  }

  // ---- drawing

  fill() {
    const { overview } = this;
    this.part('current').innerHTML = currentHtml(overview);
    this.part('mine').innerHTML = mineHtml(overview);
    this.part('retrain').hidden = !this.lead || !overview.models.length;
    this.drawWork();
    if (!overview.models.length) {
      this.closeSections?.();
      this.closeSections = null;
      this.part('body').innerHTML = failedHtml(overview.job) + emptyHtml(this.lead);
      return;
    }
    if (!this.part('changes')) {
      this.part('body').innerHTML = `<div class="columns"><div class="left"><section data-part="changes" aria-label="What changed"></section>
        <div class="under"><section data-part="taught" aria-label="What taught it"></section><section aria-label="Log"><h2>Log of the retrainings</h2><div data-part="log"></div></section></div></div>
        <div class="right"><section data-part="figures" aria-label="Before and now"></section><section data-part="models" aria-label="Every model"></section></div></div><div class="sections" data-part="sections"></div>`;
      this.mountSections();
    }
    this.drawChanges();
    this.drawBeside();
    this.drawWork();
  }

  drawChanges() {
    this.keep('changes', failedHtml(this.overview.job) + changesHtml(this));
  }

  drawBeside() {
    const report = this.found?.report;
    this.part('figures').innerHTML = figuresHtml(report);
    this.part('figures').hidden = !report;
    this.part('taught').innerHTML = taughtHtml(this.overview, report);
    this.keep('models', modelsHtml(this));
  }

  // Draws a part again. The focus stays on the same control, and the list keeps its scroll position.
  keep(name, html) {
    const node = this.part(name);
    const active = node.getRootNode().activeElement;
    const held = active && node.contains(active) ? active : null;
    const open = [...node.querySelectorAll('details')].map(one => one.open);
    const top = node.querySelector('.changes')?.scrollTop;
    const place = held?.closest('li') ? [...node.querySelectorAll('.changes > li')].indexOf(held.closest('li')) : -1;
    node.innerHTML = html;
    node.querySelectorAll('details').forEach((one, index) => { one.open = open[index] ?? false; });
    if (top) node.querySelector('.changes')?.scrollTo(0, top);
    if (!held) return;
    const { act, list, use, open: opened, part } = held.dataset;
    const same = act ? `[data-act="${act}"]` : list ? `[data-list="${list}"]` : use ? `[data-use="${use}"]` : opened ? `[data-open="${opened}"]` : part ? `[data-part="${part}"]` : '';
    const row = node.querySelectorAll('.changes > li')[place];
    (row?.querySelector(same) ?? (same && node.querySelector(same)) ?? null)?.focus();
  }

  drawWork() {
    const { job, log } = this.overview;
    const open = OPEN.includes(job?.state);
    const strip = this.part('work');
    const had = strip.contains(strip.getRootNode().activeElement);
    strip.hidden = !open;
    if (!open) strip.innerHTML = '';
    else if (!strip.firstChild) strip.innerHTML = workHtml(job, this.lead);
    else { strip.querySelector('b').textContent = job.says; strip.querySelector('progress').value = job.progress; }
    if (had && !open) this.part('retrain').focus();
    this.part('retrain').disabled = open;
    const lines = this.part('log');
    if (!lines || lines.dataset.n === `${log.length} ${log.at(-1)?.utc}`) return;
    lines.dataset.n = `${log.length} ${log.at(-1)?.utc}`;
    lines.innerHTML = logHtml(log);
    const list = lines.querySelector('.log');
    if (list) list.scrollTop = list.scrollHeight;
  }

  // ---- sections in files of their own

  async mountSections() {
    const closing = [];
    let gone = false;
    this.closeSections = () => { gone = true; closing.forEach(close => close()); };
    const tools = {
      ask: url => ask(url),
      post: (url, body) => ask(url, body),
      open: (expnum, ccd = '') => this.open(expnum, ccd),
      select: (imageIds, how) => this.model.send_msg({ select: imageIds, how, room: 'explore' }),
      say: line => this.model.send_msg({ say: line }),
    };
    for (const [name, mountSection] of Object.entries(SECTIONS)) {
      if (gone) return;
      const place = document.createElement('section');
      place.dataset.section = name;
      this.part('sections').append(place);
      try {
        const close = await mountSection(place, this.model, tools);
        if (typeof close === 'function') closing.push(close);
      } catch (error) { console.warn(`${name} could not start: ${error.message}`); place.remove(); }
    }
  }

  // ---- acting

  open(expnum, ccd = '') {
    this.model.send_msg({ focus: Number(expnum), ccd, room: this.overview.role === 'viewer' ? 'explore' : 'review' });
  }

  async choose(values) {
    Object.assign(this, values);
    if (this.loading) { await this.load(); return; }
    const turn = ++this.turn;
    const id = this.chosen(this.overview);
    try {
      const found = await ask(this.address('retraining', id));
      if (turn !== this.turn) return;
      this.found = found;
      this.part('state').textContent = '';
      this.drawChanges();
      if (!('list' in values)) this.drawBeside();
    } catch (error) { if (turn === this.turn) this.failed(error.message); }
  }

  async showOnMap() {
    if (!this.found?.seen[this.list]) return;
    try {
      const { image_ids: ids } = await ask(this.address('moved'));
      const title = LISTS.find(([name]) => name === this.list)[1];
      this.model.send_msg({ select: ids, how: `${title} with ${this.found.report.after.model}`, room: 'explore' });
    } catch (error) { this.failed(error.message); }
  }

  accept() {
    if (this.overview?.offered) this.model.send_msg({ accept: true });
  }

  async job(values) {
    this.part('retrain').disabled = true;
    try { this.took(await ask('model/job', values)); } catch (error) {
      this.part('retrain').disabled = false;
      this.part('state').textContent = error.message;
    }
  }

  confirm(id) {
    this.asking = id;
    this.keep('models', modelsHtml(this));
    this.part('models').querySelector('[data-act="use"]').focus();
    this.part('models').querySelector('.ask').scrollIntoView({ block: 'nearest' });
  }

  async use() {
    const id = this.asking;
    try {
      await ask('model/use', { model: id });
      this.asking = '';
      this.which = '';
      this.model.send_msg({ say: `${id} is in use now; open pages keep theirs until their users take it.` });
      await this.load();
      this.part('models').querySelector('button, summary')?.focus();
    } catch (error) {
      const problem = this.part('models').querySelector('.problem');
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  keepModel() {
    const id = this.asking;
    this.asking = '';
    this.keep('models', modelsHtml(this));
    this.part('models').querySelector(`[data-use="${id}"]`)?.focus();
  }

  click(event) {
    const button = event.composedPath().find(node => node.tagName === 'BUTTON');
    if (!button || button.closest('[data-section]')) return;
    const { act, list, use, open, ccd } = button.dataset;
    if (open) this.open(open, ccd);
    if (list) this.choose({ list });
    if (use) this.confirm(use);
    const acts = {
      again: () => this.load(), accept: () => this.accept(), map: () => this.showOnMap(), retrain: () => this.job({ ask: 'retrain' }),
      cancel: () => this.job({ cancel: this.overview.job.job_id }), use: () => this.use(), keep: () => this.keepModel(),
    };
    acts[act]?.();
  }

  // Arrow keys move through the changed exposures, unless another part of the room has the focus.
  step(by) {
    const rows = [...this.box.querySelectorAll('.changes > li')];
    const active = this.box.getRootNode().activeElement;
    const row = active?.closest?.('.changes > li');
    const elsewhere = active && this.box.contains(active) && !row && !active.closest('[data-part="changes"]') && active !== this.box.firstChild;
    if (!rows.length || elsewhere || active?.tagName === 'SELECT') return false;
    const place = row ? rows.indexOf(row) + by : by > 0 ? 0 : rows.length - 1;
    rows[place]?.querySelector('.open').focus();
    return true;
  }

  key(key, event) {
    if (!this.visible() || !this.overview || event.shiftKey || document.querySelector('dialog[open]')) return false;
    if (key === 'Escape' && this.asking) { this.keepModel(); return true; }
    if (key === 'ArrowDown' || key === 'ArrowUp') return this.step(key === 'ArrowDown' ? 1 : -1);
    if (key === 'a' && this.overview.offered) { this.accept(); return true; }
    if (!this.found) return false;
    if (key === 'o') { this.showOnMap(); return true; }
    const list = LISTS.find(([, , cap]) => cap === key);
    if (list) this.choose({ list: list[0] });
    return Boolean(list);
  }
}
