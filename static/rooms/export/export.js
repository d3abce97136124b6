// @ts-check
// The Export room: how many exposures each policy lists and on which votes that rests, the differences between two
// policies, a preview of the list, and the file with the command line that makes the same bytes.

import { read } from '../../basics/ask.js';
import { whyNot } from '../../basics/send.js';
import { Turns } from '../../basics/turns.js';
import { openExplain } from '../../frame/explain.js';
import { listen } from '../../frame/keys.js';
import { withSheet } from '../../basics/room_style.js';
import { mountOwn } from './own_votes.js';
import { ExportPage } from './page.js';

export async function mount(box, model) {
  await withSheet(box, new URL('./export.css', import.meta.url));
  if (model.role !== 'lead') return mountOwn(box, model);
  const room = new Export(box, model);
  await room.load();
  return () => room.stopKeys();
}

class Export extends ExportPage {
  constructor(box, model) {
    super();
    this.box = box;
    this.model = model;
    this.policy = 'majority';
    this.other = 'any';
    this.format = 'bad_expid';
    this.old = false;
    this.reasons = new Set();
    this.summaries = new Turns();
    this.differences = new Turns();
    this.previews = new Turns();
    this.stale = false;
    const again = () => { if (model.room === 'export') this.load(); else this.stale = true; };
    model.on('revision', again);
    model.on('survey_version', again);
    model.on('room', () => { if (this.stale && model.room === 'export') this.load(); });
    this.stopKeys = listen(key => this.key(key));
    box.innerHTML = '<div class="empty"><strong>Counting the votes…</strong><span>The lists are made of all votes of this run; that takes a few seconds in a large one. Without a connection it goes on by itself.</span></div>';
  }

  // The choice of verdicts (old versions, reasons), as the query of every address.
  get asked() {
    const query = new URLSearchParams([...(this.old ? [['old', '1']] : []), ...[...this.reasons].map(name => ['reason', name])]).toString();
    return query ? `?${query}` : '';
  }

  async get(path) {
    const response = await fetch(path, { headers: { Accept: 'application/json' } });
    if (!response.ok) throw new Error(await whyNot(response));
    return read(response);
  }

  async load() {
    this.stale = false;
    const newest = this.summaries.begin();
    try {
      const counts = await this.get(`export/summary${this.asked}`);
      if (!newest()) return;
      this.counts = counts;
      this.draw();
      await Promise.all([this.compare(), this.preview()]);
    } catch (error) { if (newest()) this.drawFailed(error.message); }
  }

  choose(values) {
    Object.assign(this, values);
    if ('old' in values || 'reasons' in values) return this.load();
    if ('policy' in values && this.other === this.policy) this.other = this.counts.policies.find(({ name }) => name !== this.policy).name;
    this.mark();
    if (!('format' in values)) this.compare();
    if (!('other' in values)) this.preview();
    return undefined;
  }

  toggleReason(name) {
    if (!this.reasons.delete(name)) this.reasons.add(name);
    this.choose({ reasons: this.reasons });
  }

  async compare() {
    const newest = this.differences.begin();
    const asked = `export/difference/${this.policy}/${this.other}${this.asked}`;
    let found;
    try { found = await this.get(asked); } catch (error) { found = { problem: error.message }; }
    if (newest()) this.drawDifference(found);
  }

  async preview() {
    const newest = this.previews.begin();
    const asked = `export/preview/${this.format}/${this.policy}${this.asked}`;
    let found;
    try { found = await this.get(asked); } catch (error) { found = { name: '', text: error.message, n_lines: 0, n_bytes: 0, problem: true }; }
    if (newest()) this.drawPreview(found);
  }

  look(expnum) {
    sessionStorage.setItem('triptych-adjudicate', expnum);
    this.model.send_msg({ focus: expnum, room: 'adjudicate' });
  }

  where(expnum) {
    if (expnum) openExplain({ expnum, policy: this.policy, assisted: true, version: this.model.picture_version });
    return Boolean(expnum);
  }

  key(key) {
    if (this.model.room !== 'export' || document.querySelector('dialog[open]') || !this.counts) return false;
    if (key === 'j' || key === 'k') return this.stepLine(key === 'j' ? 1 : -1);
    if (key === 'i') return this.where(this.find('pre [aria-current]')?.dataset.expnum);
    if (key !== 'ArrowDown' && key !== 'ArrowUp') return false;
    const names = this.counts.policies.map(policy => policy.name);
    const next = names.indexOf(this.policy) + (key === 'ArrowDown' ? 1 : -1);
    if (names[next]) this.choose({ policy: names[next] });
    return true;
  }
}
