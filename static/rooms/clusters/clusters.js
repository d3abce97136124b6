// @ts-check
// The Clusters room: all groups of images that look alike, their contents, and how much is left to judge.
//
// The list is asked for once. Pictures are loaded when they scroll into view. One cluster is open at the right.

import { askFor } from '../../basics/ask.js';
import { Turns } from '../../basics/turns.js';
import { listen } from '../../frame/keys.js';
import { openContactSheet } from '../../sheets/contact_sheet.js';
import { ClustersPage } from './page.js';
import { part, SORTS } from './sorts.js';

const PAGE = 60;
const MOST_AT_ONCE = 600;
const STRETCHES = ['faint', 'stars', 'sky'];

export async function mount(box, model) {
  const room = new Clusters(box, model);
  window.__clusters = { open: () => room.open?.cluster ?? null, shown: () => room.list().map(one => one.cluster) };
  await room.ready;
  return () => { delete window.__clusters; room.close(); };
}

class Clusters extends ClustersPage {
  constructor(box, model) {
    super();
    this.box = box;
    this.model = model;
    this.lists = new Turns();
    this.sheets = new Turns();
    this.answer = null;
    this.sort = 'size';
    this.reason = '';
    this.unjudged = false;
    this.least = 0;
    this.open = null;              // the row of the open cluster
    this.exposures = [];
    this.total = 0;
    this.ccds = false;             // pictures of the cluster's own CCDs instead of whole exposures
    this.stretch = 'faint';
    this.ready = this.draw();
    this.stopKeys = listen(key => this.key(key));
    this.follow();
    this.load();
  }

  follow() {
    const { model } = this;
    const again = () => { if (this.visible()) this.load(); else this.stale = true; };
    for (const name of ['revision', 'survey_version', 'assisted']) model.on(name, again);
    model.on('room', () => { if (this.visible() && this.stale) this.load(); });
    model.on('cluster', () => { if (model.cluster !== null && model.cluster !== this.open?.cluster) this.choose(model.cluster); });
  }

  visible() { return this.model.room === 'clusters'; }

  get knows() { return `assisted=${this.model.assisted ? 1 : 0}`; }

  // ---- the list

  async load() {
    this.stale = false;
    const counts = this.lists.begin();
    const answer = await askFor(`clusters/list?${this.knows}`);
    await this.ready;
    if (!counts()) return undefined;
    if (!answer) return this.answer ? undefined : this.drawFailed();
    this.answer = answer;
    this.drawTools();
    this.drawList();
    if (!answer.clusters.length && !answer.noise) return this.drawNone();
    const wanted = this.open?.cluster ?? this.model.cluster;
    const row = this.row(wanted) ?? this.list()[0] ?? answer.noise;
    if (row) this.show(row, { keep: this.open?.cluster === row.cluster });
  }

  row(cluster) {
    if (cluster === null || cluster === undefined) return null;
    return this.answer.clusters.find(one => one.cluster === cluster) ?? (this.answer.noise?.cluster === cluster ? this.answer.noise : null);
  }

  list() {
    const shown = (this.answer?.clusters ?? []).filter(one =>
      (!this.reason || one.labels[this.reason] || one.predicted[this.reason])
      && (!this.unjudged || one.mine < one.n_exposures) && (!this.least || (one.p_bad ?? 0) >= this.least));
    const [, by] = SORTS[this.sort];
    const many = one => (one.labels[this.reason] ?? 0) + (one.predicted[this.reason] ?? 0);
    return shown.sort((a, b) => (this.reason && this.sort === 'size' ? part(many(b), b.n_images) - part(many(a), a.n_images) : by(a, b)) || a.cluster - b.cluster);
  }

  filter(values) {
    Object.assign(this, values);
    this.drawList();
    this.drawTools();
  }

  choose(cluster) {
    const row = this.answer && this.row(cluster);
    if (row) this.show(row);
  }

  step(by) {
    const list = this.list();
    const at = list.findIndex(one => one.cluster === this.open?.cluster);
    const next = list[at < 0 ? 0 : at + by];
    if (next) this.show(next);
  }

  // ---- one cluster

  async show(row, { keep = false } = {}) {
    this.open = row;
    if (this.model.cluster !== row.cluster) this.model.cluster = row.cluster;
    this.markOpen();
    this.drawHead();
    if (!keep) { this.exposures = []; this.drawGrid('loading'); }
    const count = keep ? Math.max(PAGE, this.exposures.length) : PAGE;
    const counts = this.sheets.begin();
    const answer = await askFor(`clusters/one/${row.cluster}?start=0&count=${count}&${this.knows}`);
    if (!counts()) return;
    if (!answer) return this.drawGrid('failed');
    this.exposures = answer.exposures;
    this.total = answer.total;
    this.drawGrid();
  }

  async more() {
    if (this.asking || this.exposures.length >= this.total) return;
    this.asking = true;
    const row = this.open, { asked } = this.sheets;
    const answer = await askFor(`clusters/one/${row.cluster}?start=${this.exposures.length}&count=${PAGE}&${this.knows}`);
    this.asking = false;
    if (!answer || asked !== this.sheets.asked) return;
    this.addToGrid(answer.exposures);
    this.exposures.push(...answer.exposures);
  }

  onMap() { if (this.open) this.model.send_msg({ on_map: this.open.cluster }); }

  // One judgement for the exposures of the cluster that this user has not judged, after a look at each.
  async judge() {
    const row = this.open;
    if (!row || row.cluster < 0 || !this.answer.can_vote) return;
    const answer = await askFor(`clusters/one/${row.cluster}?unjudged=1&count=${MOST_AT_ONCE}&${this.knows}`);
    if (!answer) return this.say('The exposures of the cluster did not arrive. Try again.');
    if (!answer.exposures.length) return this.say('You have judged every exposure of this cluster.');
    const part = answer.exposures.length < answer.total ? `the first ${answer.exposures.length} of ${answer.total}` : `${answer.total}`;
    openContactSheet({
      exposures: answer.exposures, title: `Cluster ${row.cluster}: ${part} exposures that you have not judged`, how: 'cluster',
      stretch: this.stretch, version: this.model.picture_version, reasons: this.answer.reasons,
      screen: { cluster: row.cluster, cluster_stage: this.answer.stage, assisted: this.model.assisted }, onDone: () => this.load(),
    });
  }

  look(expnum) {
    this.model.send_msg({ focus: expnum, room: this.answer.can_vote ? 'review' : 'explore' });
  }

  // ---- keys

  key(key) {
    if (!this.visible() || !this.answer || document.querySelector('dialog[open]')) return false;
    const verbs = {
      ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1), j: () => this.step(1), k: () => this.step(-1),
      o: () => this.onMap(), a: () => this.judge(), m: () => this.setPictures(!this.ccds), s: () => this.setStretch(),
    };
    if (!verbs[key]) return false;
    verbs[key]();
    return true;
  }

  setPictures(ccds) {
    this.ccds = ccds;
    this.drawHead();
    this.drawGrid();
  }

  setStretch() {
    this.stretch = STRETCHES[(STRETCHES.indexOf(this.stretch) + 1) % STRETCHES.length];
    this.drawHead();
    this.drawGrid();
  }

  say(text) { this.model.send_msg({ say: text }); }

  close() {
    this.stopKeys();
    this.watch?.disconnect();
  }
}
