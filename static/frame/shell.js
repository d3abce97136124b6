// @ts-check
// The frame: rooms, search, dividers, address, messages, keys. Its HTML is in page.html; its state is in the session.

import { setPictures } from '../basics/has_pictures.js';
import { line } from '../basics/lasting_socket.js';
import { savedWords } from '../basics/saved.js';
import { listen, sayUnknownKeys, startKeys } from './keys.js';
import { showKeys } from './keys_dialog.js';
import { keptOnlyHere, votesOutbox } from './outbox.js';
import { mountRefused, refusedOnlyHere } from './refused.js';
import { askTour } from './tour.js';

const TOAST_SECONDS = 5;
const LEAVE_SECONDS = 0.5;

const $ = selector => document.querySelector(selector);
const $$ = selector => [...document.querySelectorAll(selector)];

const loginAddress = () => `login?next=${encodeURIComponent(location.pathname + location.search)}`;

// Whether a dialog is open that holds work. An explained verdict is part of the address, and the list of keys is none.
const halfDone = () => $$('dialog[open]').some(dialog => !dialog.matches('.explain, #keys'));

export function mount(_box, model) {
  const shell = new Shell(model);
  return () => shell.close();
}

class Shell {
  constructor(model) {
    this.model = model;
    this.unsaved = new Map();
    this.abort = new AbortController();
    this.rooms();
    this.searchBox();
    this.menus();
    this.dividers();
    this.address();
    this.messages();
    startKeys();
    this.stopKeys = listen((key, event) => this.key(key, event));
    this.stopSaying = sayUnknownKeys();
    document.body.dataset.ready = '1';
  }

  close() { this.abort.abort(); this.stopKeys(); this.stopSaying(); this.stopOutbox(); this.stopLine(); clearInterval(this.waiting); }

  on(target, type, heard) { target.addEventListener(type, heard, { signal: this.abort.signal }); }

  ask(verb, values = {}) { this.model.send_msg({ verb, ...values }); }

  // ---- rooms

  rooms() {
    for (const tab of $$('#rooms button')) this.on(tab, 'click', () => { this.enter(tab.dataset.room); tab.blur(); });
    this.model.on('room', () => {
      this.showRoom(this.model.room);
      this.writeAddress(this.model.room !== this.steppedTo);
      this.steppedTo = null;
    });
    this.showRoom(this.model.room);
  }

  enter(room) {
    if (room === this.model.room) return;
    this.steppedTo = null;
    this.model.room = room;
    this.showRoom(room);
    this.writeAddress(true);
  }

  showRoom(room) {
    document.body.dataset.room = room;
    for (const section of $$('main > section')) section.classList.toggle('shown', section.id === room);
    for (const tab of $$('#rooms button')) tab.setAttribute('aria-selected', String(tab.dataset.room === room));
    window.dispatchEvent(new Event('resize'));
  }

  // ---- search

  searchBox() {
    const input = $('#search input');
    this.on($('#search'), 'submit', event => {
      event.preventDefault();
      if (input.value.trim()) this.ask('search', { text: input.value });
      else this.ask('clear');
      input.blur();
    });
    this.on(input, 'keydown', event => { if (event.key === 'Escape') input.blur(); });
    this.model.on('pictures', () => setPictures(this.model.pictures ?? ''));
    this.model.on('query', () => { if (document.activeElement !== input) input.value = this.model.query; this.writeAddress(); });
  }

  // ---- menus, jobs, offers

  menus() {
    const menu = $('#user-menu');
    const button = $('#user > button');
    const open = state => { menu.hidden = !state; button.setAttribute('aria-expanded', String(state)); };
    this.on(button, 'click', event => { event.stopPropagation(); open(menu.hidden); });
    this.on(document, 'click', event => { if (!menu.contains(event.target)) open(false); });
    this.on(menu, 'keydown', event => { if (event.key === 'Escape') { open(false); button.focus(); } });
    this.on($('#assisted'), 'click', () => { this.model.assisted = !this.model.assisted; this.drawAssisted(); });
    this.model.on('assisted', () => this.drawAssisted());
    this.on($('#new-password'), 'click', async () => { open(false); (await import('../basics/password.js')).askPassword(); });
    if ($('#retrain')) this.on($('#retrain'), 'click', () => { open(false); this.ask('retrain'); });
    this.on($('#job button'), 'click', () => this.ask('cancel_job', { job_id: this.model.job.job_id }));
    this.on($('#offer button'), 'click', () => this.ask('accept_prediction'));
    this.on($('#help'), 'click', () => this.showKeys());
    for (const name of ['job', 'new_prediction', 'run']) this.model.on(name, () => this.drawState());
    this.drawAssisted();
    this.drawState();
  }

  drawAssisted() {
    const button = $('#assisted');
    button.setAttribute('aria-pressed', String(this.model.assisted));
    button.innerHTML = `Model's opinion before the vote <span class="muted">${this.model.assisted ? 'on' : 'off'}</span>`;
  }

  drawState() {
    const { job, new_prediction: offer, run, role } = this.model;
    $('#run').textContent = run;
    $('#run').title = run;
    $('#offer').hidden = !offer;
    $('#offer button').textContent = `New predictions ${offer}: use them`;
    $('#job').hidden = !job.state;
    if (!job.state) return;
    $('#job span').textContent = job.text;
    $('#job span').title = job.error || '';
    $('#job progress').hidden = job.state === 'failed';
    $('#job progress').value = job.progress;
    $('#job button').hidden = role !== 'lead';
    $('#job button').textContent = job.state === 'failed' ? 'dismiss' : 'stop';
  }

  // ---- dividers: shares of the width, which the browser remembers

  dividers() {
    const names = ['map', 'thumbs', 'mosaic'];
    const triptych = $('.triptych');
    let shares = { map: 36, thumbs: 30, mosaic: 34 };
    try { shares = { ...shares, ...JSON.parse(localStorage.getItem('triptych-widths')) }; } catch { /* first visit */ }
    const draw = () => {
      for (const name of names) triptych.style.setProperty(`--${name}`, `${shares[name]}fr`);
      $$('.divider').forEach((divider, index) => divider.setAttribute('aria-valuenow', Math.round(shares[names[index]])));
    };
    const shift = (index, part) => {
      const [left, right] = [names[index], names[index + 1]];
      const both = shares[left] + shares[right];
      shares[left] = Math.min(both - 12, Math.max(12, shares[left] + part));
      shares[right] = both - shares[left];
      draw();
      window.dispatchEvent(new Event('resize'));
      localStorage.setItem('triptych-widths', JSON.stringify(shares));
    };
    $$('.divider').forEach((divider, index) => {
      this.on(divider, 'pointerdown', event => { divider.setPointerCapture(event.pointerId); divider.classList.add('moving'); document.body.classList.add('dragging'); });
      this.on(divider, 'pointermove', event => { if (divider.classList.contains('moving')) shift(index, event.movementX / triptych.clientWidth * 100); });
      for (const end of ['pointerup', 'pointercancel']) this.on(divider, end, () => { divider.classList.remove('moving'); document.body.classList.remove('dragging'); });
      this.on(divider, 'keydown', event => { if (event.key === 'ArrowLeft') shift(index, -2); else if (event.key === 'ArrowRight') shift(index, 2); });
    });
    draw();
  }

  // ---- the address names the room, the exposure and the search

  address() {
    for (const name of ['focus', 'focus_ccd', 'colour_by', 'dims', 'region', 'isolate', 'cluster']) this.model.on(name, () => this.writeAddress());
    this.on(window, 'popstate', () => {
      const values = Object.fromEntries(new URLSearchParams(location.search));
      this.steppedTo = values.room || 'explore';   // a step in the history is no new one, or the way forward would be lost
      this.showRoom(this.steppedTo);
      this.ask('show', { values });
    });
    this.writeAddress();
    const asked = new URLSearchParams(performance.getEntriesByType('navigation')[0]?.name.split('?')[1] ?? '').get('explain');
    if (/^\d+$/.test(asked ?? '')) this.explain(Number(asked));
  }

  // Opens the panel that explains a verdict. Its module is loaded at first use.
  async explain(expnum) {
    const { openExplain } = await import('./explain.js');
    openExplain({ expnum, assisted: this.model.assisted });
  }

  // changed : values that are newer than the model's
  writeAddress(asStep = false, changed = {}) {
    const now = name => changed[name] ?? this.model[name];
    const [room, focus, colour, dims, isolate, cluster] = ['room', 'focus', 'colour_by', 'dims', 'isolate', 'cluster'].map(now);
    const { query, region } = this.model;
    const ccd = focus === this.model.focus ? this.model.focus_ccd : '';
    const parts = { room, focus: focus || '', ccd: focus ? ccd : '', q: query, sel: region, only: [...isolate].join('|'), cluster: room === 'clusters' ? cluster ?? '' : '', colour: colour === 'reason' ? '' : colour, dims: dims === 2 ? '' : dims, explain: $('dialog.explain')?.dataset.expnum ?? '' };
    const known = new URLSearchParams(Object.entries(parts).filter(([, value]) => value !== ''));
    const address = `${location.pathname}?${known}`;
    if (address === location.pathname + location.search) return;
    history[asStep ? 'pushState' : 'replaceState'](null, '', address);
  }

  // ---- messages, what is saved, and whether the server answers

  messages() {
    this.model.on('said', () => this.toast(this.model.notice));
    if (this.model.notice) this.toast(this.model.notice);   // said while the address was opened
    this.on(window, 'triptych-toast', event => this.toast(event.detail));
    this.on(window, 'triptych-saved', event => { this.unsaved.set(event.detail.of ?? 'vote', event.detail); this.drawSaved(); });
    mountRefused($('#refused'), $('#refusals'), document.body.dataset.user, this.abort.signal);
    // Votes that wait from an earlier visit are sent in any room.
    this.stopOutbox = votesOutbox(document.body.dataset.user).listen({ onState: state => window.dispatchEvent(new CustomEvent('triptych-saved', { detail: state })) });
    this.stopLine = line.listen(state => this.lineIs(state));
  }

  // A connection that is lost comes back by itself (basics/lasting_socket.js). If only a new page can go on, because the
  // server was started again, the role has changed or the page was away for too long, the page is loaded again. Nothing
  // is lost: the address says what was on screen, and unsent votes wait in the browser.
  lineIs(state) {
    this.drawSaved();
    if (state === 'ended') this.leave(() => location.assign(loginAddress()));
    else if (state === 'gone') this.leave(() => location.reload());
  }

  // Leave the page as soon as that loses nothing. What was changed here while the server was away is part of the address.
  leave(go) {
    const ready = () => {
      if (keptOnlyHere() || refusedOnlyHere() || halfDone()) return this.drawSaved();
      clearInterval(this.waiting);
      this.writeAddress(false, line.socket?.unsent());
      return go();
    };
    clearInterval(this.waiting);
    this.waiting = setInterval(ready, LEAVE_SECONDS * 1000);
    ready();
  }

  drawSaved() {
    const node = $('#saved');
    const { mood, text } = savedWords({ state: line.state, boxes: this.unsaved, onlyHere: keptOnlyHere(), busy: halfDone() });
    node.dataset.state = mood;
    node.textContent = text;
    node.title = line.state === 'lost' ? `${text}. The page goes on by itself.` : text;
    if (!text.includes('log in') && line.state !== 'ended') return;
    const link = document.createElement('a');
    link.href = loginAddress();
    link.textContent = 'log in';
    node.append(' · ', link);
  }

  toast(text) {
    if (!text) return;
    $('#toast').textContent = text;
    $('#toast').classList.add('on');
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => $('#toast').classList.remove('on'), 1000 * TOAST_SECONDS);
  }

  // ---- keys

  key(key, event) {
    if ($('#keys').open) { if (key === '?') { $('#keys').close(); return true; } return false; }
    if (key === '?') { this.showKeys(); return true; }
    const tab = event.shiftKey && $$('#rooms button').find(button => button.dataset.key === key);
    if (tab) { this.enter(tab.dataset.room); return true; }
    if (this.model.room !== 'explore') return false;
    if (key === '/') { $('#search input').focus(); $('#search input').select(); return true; }
    if (key === 'r') { this.enter('review'); return true; }
    if (key === 'i' && this.model.focus) { this.explain(this.model.focus); return true; }
    return false;
  }

  showKeys() {
    showKeys($('#keys'), { tour: this.model.role === 'viewer' ? null : () => { this.enter('review'); askTour(); } });
  }
}
