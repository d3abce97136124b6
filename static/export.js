// The Export room: how many exposures each policy lists, the list itself, and the file.

import { listen } from './keys.js';

const FORMAT_NAMES = { exclude: 'exclude list', vi: 'inspection table', csv: 'CSV', ecsv: 'ECSV', fits: 'FITS table', parquet: 'Parquet' };
const VERDICTS = [['bad', 'var(--bad)'], ['good', 'var(--good)'], ['split', 'var(--wait)'], ['open', 'var(--control)']];

export async function mount(box, model) {
  await style(box);
  if (model.role !== 'lead') return showOwn(box, model);
  const room = new Export(box, model);
  await room.load();
  return () => room.stopKeys();
}

function style(box) {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL('./export.css', import.meta.url);
  const loaded = new Promise(resolve => { link.onload = link.onerror = resolve; });
  box.before(link);
  return loaded;
}

function showOwn(box) {
  box.innerHTML = `<div class="notlead"><div><h2>Export</h2>
    <p>The lists hold everybody's votes. Whoever still votes has to vote without knowing them, so a lead exports them.</p>
    <p><a class="button" href="/export/mine" download>Download your own votes</a></p></div></div>`;
  return undefined;
}

class Export {
  constructor(box, model) {
    this.box = box;
    this.model = model;
    this.policy = 'majority';
    this.format = 'bad_expid';
    this.stale = false;
    const again = () => { if (model.room === 'export') this.load(); else this.stale = true; };
    model.on('revision', again);
    model.on('room', () => { if (this.stale && model.room === 'export') this.load(); });
    this.stopKeys = listen((key, event) => this.key(key, event));
    box.innerHTML = '<div class="empty">Counting…</div>';
  }

  async get(path) {
    const response = await fetch(path, { headers: { Accept: 'application/json' } });
    if (!response.ok) throw new Error(await response.text() || `the server answered ${response.status}`);
    return response.json();
  }

  async load() {
    this.stale = false;
    try {
      this.counts = await this.get('/export/summary');
      this.draw();
      await this.preview();
    } catch (error) {
      this.box.innerHTML = '<div class="empty"><strong>The lists could not be made.</strong><span></span></div>';
      this.box.querySelector('span').textContent = error.message;
    }
  }

  draw() {
    const { counts } = this;
    const judged = `${counts.n_judged.toLocaleString('en')} of ${counts.n_exposures.toLocaleString('en')} exposures judged`;
    const old = counts.n_old ? ` ${counts.n_old.toLocaleString('en')} judged on another pipeline version are not listed; the file's head names them.` : '';
    this.box.innerHTML = `<div class="export"><div class="side">
      <h2>Policy</h2>
      <table class="plain policies"><thead><tr><th>votes of ${counts.panel} inspectors</th><th>listed</th><th></th>
        ${VERDICTS.map(([name]) => `<th>${name}</th>`).join('')}</tr></thead>
        <tbody>${counts.policies.map(policy => this.row(policy)).join('')}</tbody></table>
      <h2>Format</h2>
      <div class="formats">${counts.formats.map(format => this.formatButton(format)).join('')}</div>
      <div class="download"><a class="button primary" download>Download</a><span class="muted facts"></span></div>
      <p>${judged}. <b>listed</b> is the number of bad exposures that the file names; <b>split</b>: all inspectors voted and do not decide;
        <b>open</b>: votes are missing.${old}</p>
      <p>The file's head says which policy, store revision and model stage it was made from. The same votes give the same file, byte for byte.</p>
      </div><div class="rule"></div>
      <div class="paper"><div class="head"></div><pre tabindex="0" aria-label="Preview"></pre></div></div>`;
    for (const row of this.box.querySelectorAll('tbody tr')) {
      row.onclick = () => this.choose({ policy: row.dataset.policy });
      row.onkeydown = event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); this.choose({ policy: row.dataset.policy }); } };
    }
    for (const button of this.box.querySelectorAll('.formats button')) button.onclick = () => this.choose({ format: button.dataset.format });
    this.mark();
  }

  row(policy) {
    const total = VERDICTS.reduce((sum, [name]) => sum + policy[name], 0) || 1;
    const bar = VERDICTS.map(([name, colour]) => `<i style="width:${100 * policy[name] / total}%;background:${colour}"></i>`).join('');
    return `<tr data-policy="${policy.name}" tabindex="0"><td class="name">${policy.name}<small>${policy.rule}</small></td>
      <td class="listed">${policy.listed.toLocaleString('en')}</td><td><span class="bar">${bar}</span></td>
      ${VERDICTS.map(([name]) => `<td>${policy[name].toLocaleString('en')}</td>`).join('')}</tr>`;
  }

  formatButton({ name, holds }) {
    return `<button data-format="${name}">${FORMAT_NAMES[name] || name}<small>${holds}</small></button>`;
  }

  choose(values) {
    Object.assign(this, values);
    this.mark();
    this.preview();
  }

  mark() {
    for (const row of this.box.querySelectorAll('tbody tr')) row.setAttribute('aria-selected', String(row.dataset.policy === this.policy));
    for (const button of this.box.querySelectorAll('.formats button')) button.setAttribute('aria-pressed', String(button.dataset.format === this.format));
    this.box.querySelector('.download a').href = `/export/file/${this.format}/${this.policy}`;
  }

  async preview() {
    const asked = this.asked = `/export/preview/${this.format}/${this.policy}`;
    const [head, paper] = [this.box.querySelector('.paper .head'), this.box.querySelector('pre')];
    let found;
    try { found = await this.get(asked); } catch (error) { found = { name: '', text: error.message, n_lines: 0, n_bytes: 0 }; }
    if (asked !== this.asked) return;
    const shown = found.text.split('\n');
    head.innerHTML = '<strong class="id"></strong><span></span>';
    head.firstChild.textContent = found.name;
    const part = shown.length < found.n_lines ? `first ${shown.length} of ${found.n_lines.toLocaleString('en')} lines` : `${found.n_lines} lines`;
    head.lastChild.textContent = part + (found.shown_as && found.shown_as !== this.format ? `, shown as ${found.shown_as}` : '');
    paper.replaceChildren(...shown.map(line => {
      const node = document.createElement('span');
      node.textContent = `${line}\n`;
      if (line.startsWith('#')) node.className = 'comment';
      return node;
    }));
    if (found.n_bad === 0) paper.insertAdjacentHTML('beforeend', '\n<span class="comment">No exposure is bad under this policy yet.</span>');
    this.box.querySelector('.facts').textContent = `${found.name}, ${found.n_bytes.toLocaleString('en')} bytes`;
  }

  key(key) {
    if (this.model.room !== 'export' || document.querySelector('dialog[open]') || !this.counts) return false;
    if (key !== 'ArrowDown' && key !== 'ArrowUp') return false;
    const names = this.counts.policies.map(policy => policy.name);
    const next = names.indexOf(this.policy) + (key === 'ArrowDown' ? 1 : -1);
    if (names[next]) this.choose({ policy: names[next] });
    return true;
  }
}
