// @ts-check
// The Lead room: accounts and the progress of inspectors, the settings of the queue and their effect, known answers, jobs.

import { read } from '../../basics/ask.js';
import { whyNot } from '../../basics/send.js';
import { Turns } from '../../basics/turns.js';
import { withSheet } from '../../basics/room_style.js';
import { escapeText as text } from '../../basics/text.js';
import { moment } from '../../basics/when.js';
import { Accounts } from './accounts.js';
import { QueueRules } from './queue.js';
import { ask, complain, count, focused, holdsFocus, plainName, when } from './words.js';

const AGAIN_MS = 5000;

export async function mount(box, model) {
  await withSheet(box, new URL('./lead.css', import.meta.url));
  const room = new Lead(box, model);
  await room.load();
  return () => room.close();
}

class Lead {
  constructor(box, model) {
    this.box = box;
    this.model = model;
    this.turns = new Turns();
    this.facet = 'band';
    this.box.innerHTML = '<div class="empty"><strong>Counting the votes…</strong><span>How far each inspector and each packet is. Without a connection it goes on by itself.</span></div>';
    const later = () => this.later();
    for (const name of ['revision', 'room', 'survey_version']) model.on(name, later);
    this.timer = setInterval(later, AGAIN_MS);
    this.stale = false;
    model.on('revision', () => { this.stale = true; });
  }

  visible() { return this.model.room === 'lead' && !document.hidden; }

  // Reads the counts again a few seconds after new votes, and while a job runs.
  later() {
    const working = this.found?.jobs.some(job => ['waiting', 'running'].includes(job.state));
    const due = this.stale || working || !this.found;
    if (!this.visible() || !due || this.busy || Date.now() - (this.read || 0) < AGAIN_MS - 500) return;
    this.load();
  }

  async load() {
    const newest = this.turns.begin();
    this.busy = true;
    try {
      const response = await fetch('lead/overview');
      if (!response.ok) throw new Error(await whyNot(response));
      const found = await read(response);
      if (!newest()) return;
      this.found = found;
      this.stale = false;
      this.draw();
    } catch (error) {
      if (!newest()) return;
      this.failed(error);
    }
    this.read = Date.now();
    this.busy = false;
  }

  failed(error) {
    const line = error instanceof TypeError ? 'No connection to the server.' : error.message;
    if (this.found) return this.warn(`${line} These numbers are from ${moment(new Date(this.read).toISOString())}; the page tries again.`);
    this.box.innerHTML = '<div class="empty"><strong>The lead\'s page could not be made.</strong><span></span><div><button type="button">Try again</button></div></div>';
    this.box.querySelector('span').textContent = line;
    this.box.querySelector('button').onclick = () => this.load();
  }

  warn(line) {
    const node = this.box.querySelector('.warning');
    node.hidden = !line;
    node.textContent = line;
  }

  draw() {
    if (!this.box.querySelector('.lead')) this.frame();
    this.warn('');
    this.accounts.show(this.found);
    this.rules.show(this.found);
    this.drawProgress();
    this.drawJobs();
    this.box.dataset.ready = '1';
  }

  frame() {
    this.box.innerHTML = `<div class="lead"><p class="warning" role="status" hidden></p>
      <div class="main"><section class="people" aria-label="Inspectors and accounts"></section>
        <section class="done" aria-label="Progress by packet"></section>
        <section class="jobs" aria-label="Retraining"></section></div>
      <div class="rules" tabindex="-1"><section class="settings" aria-label="Everybody's queue"></section>
        <section class="saving" aria-label="What the rule saves"></section>
        <section class="known" aria-label="Known answers and control"></section></div></div>`;
    const part = name => this.box.querySelector(`.${name}`);
    const again = () => this.load();
    this.accounts = new Accounts(part('people'), this.model, { ask, again });
    this.rules = new QueueRules({ settings: part('settings'), saving: part('saving'), known: part('known') }, this.model, { ask, again });
  }

  // ---- progress

  drawProgress() {
    const node = this.box.querySelector('.done');
    if (holdsFocus(node)) { const held = focused(node)?.dataset.facet; this.fillProgress(node); if (held) node.querySelector(`[data-facet="${held}"]`)?.focus(); } else this.fillProgress(node);
  }

  fillProgress(node) {
    const { progress } = this.found;
    const facets = progress.packets.filter(facet => facet.values.length > 0);
    const facet = facets.find(one => one.name === this.facet) || facets[0];
    const most = Math.max(1, ...(facet?.values || []).map(value => value.n));
    const rows = (facet?.values || []).map(value => `<tr><td>${text(plainName(value.value) || 'unknown')}</td>
      <td class="wide"><span class="meter" style="width:${Math.max(2, 100 * value.n / most)}%"><i style="width:${100 * value.n_done / value.n}%"></i></span></td>
      <td>${count(value.n_done)} of ${count(value.n)}</td><td>${count(value.n_votes)}</td></tr>`).join('');
    const share = progress.n_exposures ? 100 * progress.n_done / progress.n_exposures : 0;
    node.innerHTML = `<h2>Progress</h2>
      ${progress.n_exposures ? `<p class="total"><b>${count(progress.n_done)}</b> of ${count(progress.n_exposures)} exposures have all the votes they need;
        <b>${count(progress.n_votes)}</b> ${progress.n_votes === 1 ? 'vote' : 'votes'} so far.</p>
      <span class="meter whole"><i style="width:${share}%"></i></span>
      <div class="tabs" role="group" aria-label="Count by">${facets.map(one => `<button type="button" class="chip" data-facet="${one.name}" aria-pressed="${one === facet}">${text(one.label)}</button>`).join('')}</div>
      <div class="scroll" tabindex="0" role="region" aria-label="Progress by ${text(facet.label)}"><table class="plain"><thead><tr><th>${text(facet.label)}</th><th class="wide"></th><th>done</th><th>votes</th></tr></thead><tbody>${rows}</tbody></table></div>`
      : '<p>There are no candidates yet. Train, predict and find candidates; then progress is counted here.</p>'}`;
    for (const button of node.querySelectorAll('[data-facet]')) button.onclick = () => { this.facet = button.dataset.facet; this.drawProgress(); };
  }

  // ---- jobs

  drawJobs() {
    const node = this.box.querySelector('.jobs');
    const held = focused(node)?.dataset.act;
    const { jobs } = this.found;
    const open = jobs.find(job => ['waiting', 'running'].includes(job.state));
    const rows = jobs.map(job => `<tr data-state="${job.state}"><td class="id">${job.job_id}</td><td>${text(job.kind)}</td><td class="state">${job.state}</td>
      <td class="when">${when(job.asked_utc)}<small>${text(job.asked_by)}${took(job)}</small></td>
      <td class="log">${log(job)}</td>
      <td>${job === open || ['waiting', 'running'].includes(job.state) ? `<button type="button" class="danger" data-act="cancel-${job.job_id}" data-cancel="${job.job_id}">Cancel</button>` : ''}</td></tr>`).join('');
    node.innerHTML = `<div class="title"><h2>Retraining</h2><button type="button" data-act="start" ${open ? 'disabled' : ''}>Retrain from the votes</button></div>
      <p class="problem" role="alert" hidden></p>
      ${rows ? `<table class="plain"><thead><tr><th>job</th><th></th><th></th><th>asked</th><th>log</th><th></th></tr></thead><tbody>${rows}</tbody></table>`
        : '<p>Nothing was retrained yet. A retraining learns from every vote and offers new predictions to every open page.</p>'}`;
    node.querySelector('[data-act=start]').onclick = () => this.job({ ask: 'retrain' });
    for (const button of node.querySelectorAll('[data-cancel]')) button.onclick = () => this.job({ cancel: Number(button.dataset.cancel) });
    if (held) (node.querySelector(`[data-act="${held}"]:not([disabled])`) || node.querySelector('[data-act]:not([disabled])'))?.focus();
  }

  async job(values) {
    const { answer, problem } = await ask('lead/job', values);
    if (answer) { this.found.jobs = answer; this.drawJobs(); }
    complain(this.box.querySelector('.jobs'), problem);
  }

  close() {
    clearInterval(this.timer);
    this.accounts?.close();
  }
}

function took({ asked_utc: asked, finished_utc: finished }) {
  if (!finished) return '';
  const seconds = (Date.parse(finished) - Date.parse(asked)) / 1000;
  return ` · ${seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`}`;
}

function log(job) {
  if (job.state === 'running') return `<progress max="1" value="${job.progress}" aria-label="progress"></progress> ${text(job.says)}`;
  if (job.state === 'waiting') return `${text(job.says)}<small>${text(job.next)}</small>`;
  return text(job.error || job.result || '');
}
