// @ts-check
// The selected images as a grid. Only images near the window exist as elements, so that it can show any number of images.
// Click = focus, Shift-click = pick up to there, Ctrl-click = pick one more, arrows (or j and k anywhere) move the focus.

import { expnumOf } from '../basics/image_ids.js';
import { hasPictures, onPictures } from '../basics/has_pictures.js';
import { listen } from '../frame/keys.js';
import { plain } from '../basics/plain.js';
import { openContactSheet } from './contact_sheet.js';

const GAP = 6, LABEL = 20, LEAST_WIDTH = 118;
const AHEAD_SCREENS = 1.5;   // above and below the window
const PAGE = 300;            // as in app/rooms/explore/image_view.py
const NEXT_EXPOSURES = 3;
const STEP_MS = 60;          // while a key is held down, only the last focus is sent to the server
const CONFIRM_MS = 3000;
const IN_FLIGHT = 4;         // pictures beyond the window that are fetched at the same time
const FETCH_AHEAD = 600;     // pictures fetched after the window; half as many before it
const SORT_NAMES = { probability: 'probability', expnum: 'expnum', cluster: 'cluster', distance: 'distance' };

export function mount(box, model) {
  const thumbs = new Thumbs(box, model);
  box.thumbs = thumbs;
  return () => thumbs.close();
}

class Thumbs {
  constructor(box, model) {
    this.model = model;
    this.rows = new Map();       // place -> {id, name, code, value}
    this.asked = new Set();      // first places of pages that were asked for
    this.nodes = new Map();      // place -> element
    this.spare = [];
    this.picked = new Set();     // image_ids
    this.anchor = -1;
    this.shown = 0;
    this.fetched = new Set();    // addresses of pictures that the browser has or is fetching
    this.inFlight = 0;
    this.led = null;             // image_id that came into focus here and that the server has not confirmed yet
    this.build(box);
    const follow = {
      grid: () => this.renew(), focus: () => this.follow(), focus_expnum: () => this.follow(), focus_place: () => this.follow(),
      stretch: () => this.restretch(), picture_version: () => this.restretch(), total: () => this.drawHead(), how: () => this.drawHead(),
      sorted_by: () => this.drawHead(), sorts: () => this.drawHead(), exposures: () => this.drawHead(), has_images: () => this.drawHead(),
    };
    for (const [name, act] of Object.entries(follow)) model.on(name, act);
    model.on('msg:custom', message => this.hear(plain(message.data ?? message)));
    this.stopKeys = listen((key, event) => this.key(key, event));
    this.over = new AbortController();
    onPictures(() => this.restretch(), this.over.signal);
    this.resizing = new ResizeObserver(() => this.layout());
    this.resizing.observe(this.scroller);
    this.renew();
  }

  build(box) {
    const styles = [new URL('../frame/pane.css', import.meta.url), new URL('./thumbs.css', import.meta.url)];
    box.innerHTML = `${styles.map(style => `<link rel="stylesheet" href="${style}">`).join('')}<div class="pane thumbs"><div class="head"></div>
      <div class="body"><div class="grid" tabindex="0" role="listbox" aria-label="Images of the selection" aria-multiselectable="true"><div class="room"></div></div>
      <div class="empty" hidden></div></div></div>`;
    const find = selector => box.querySelector(selector);
    this.head = find('.head');
    this.scroller = find('.grid');
    this.room = find('.room');
    this.empty = find('.empty');
    this.empty.addEventListener('click', event => { if (event.target.closest('[data-verb=candidates]')) searchFor('candidates'); });
    this.scroller.addEventListener('scroll', () => this.requestFill(), { passive: true });
    this.scroller.addEventListener('click', event => this.clicked(event));
    this.scroller.addEventListener('dblclick', event => {
      const place = this.placeOf(event);
      if (place >= 0) window.dispatchEvent(new CustomEvent('triptych-enlarge', { detail: this.rows.get(place) }));
    });
    this.head.addEventListener('change', event => { this.tell('sort', { by: event.target.value }); event.target.blur(); });
    this.head.addEventListener('click', event => {
      const verb = event.target.closest('button')?.dataset.verb;
      if (!verb) return;
      if (verb === 'judge') { this.judge(); return; }
      this.tell(verb, { image_ids: [...this.picked] });
      if (verb !== 'similar') this.picked.clear();
      event.target.closest('button').blur();
      this.drawHead();
    });
  }

  tell(kind, values = {}) { this.model.send_msg({ kind, ...values }); }

  // ---- what there is to show

  renew() {
    const grid = plain(this.model.grid);
    const known = this.order;
    this.gridKey = grid.key;
    this.shown = grid.shown ?? 0;
    this.rows.clear();
    this.asked.clear();
    this.take(0, grid);
    const order = `${this.shown} ${grid.ids?.slice(0, 24)} ${this.model.sorted_by}`;
    if (order !== known) {
      this.scroller.scrollTop = 0;
      this.picked.clear();
      this.anchor = -1;
    }
    this.order = order;
    this.drawHead();
    this.layout();
    this.follow();
  }

  take(start, { ids = [], names = [], codes = [], values = [], palette, letters, titles }) {
    ids.forEach((id, i) => this.rows.set(start + i, { id, name: names[i], code: codes[i], value: values[i], expnum: expnumOf(id) }));
    if (!palette) return;
    this.palette = palette;
    this.letters = letters;
    this.titles = titles;
  }

  hear(message) {
    if (message.kind === 'sheet') { this.openSheet(message); return; }
    if (message.kind !== 'page' || message.key !== this.gridKey) return;
    this.take(message.start, message);
    this.asked.delete(message.start);
    this.fill(true);
  }

  ask(place) {
    const start = Math.floor(place / PAGE) * PAGE;
    if (this.asked.has(start)) return;
    this.asked.add(start);
    this.tell('page', { key: this.gridKey, start });
  }

  judge() {
    if (!this.model.can_vote || !this.model.total) return;
    this.tell('judge', { image_ids: [...this.picked] });
  }

  openSheet({ exposures, reasons, how, stage }) {
    if (document.querySelector('dialog[open]')) return;  // it is open already
    const n = exposures.length;
    openContactSheet({
      exposures, reasons, how: 'lasso', words: how, title: `Judge ${n === 1 ? 'this exposure' : `these ${n.toLocaleString('en')} exposures`}`,
      stretch: this.model.stretch, version: this.model.picture_version, screen: { stage, selection: how.slice(0, 2000) }, onDone: () => {},
    });
  }

  // ---- layout

  layout() {
    const width = this.scroller.clientWidth;
    if (!width) return;
    this.columns = Math.max(1, Math.floor((width - GAP) / (LEAST_WIDTH + GAP)));
    this.cell = (width - GAP * (this.columns + 1)) / this.columns;
    this.picture = Math.round(this.cell / Math.min(2.2, Math.max(0.8, this.model.aspect)));
    this.step = this.picture + LABEL + GAP;
    this.room.style.height = `${Math.ceil(this.shown / this.columns) * this.step + GAP}px`;
    this.fill(true);
  }

  requestFill() {
    if (this.filling) return;
    this.filling = requestAnimationFrame(() => { this.filling = 0; this.fill(); });
  }

  fill(redraw = false) {
    if (!this.step) return;
    const ahead = AHEAD_SCREENS * this.scroller.clientHeight;
    const first = Math.max(0, Math.floor((this.scroller.scrollTop - ahead) / this.step)) * this.columns;
    const after = Math.min(this.shown, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight + ahead) / this.step) * this.columns);
    for (const [place, node] of this.nodes) {
      if (place >= first && place < after) continue;
      node.remove();
      this.nodes.delete(place);
      this.spare.push(node);
    }
    for (let place = first; place < after; place++) {
      const fresh = !this.nodes.has(place);
      if (fresh) this.nodes.set(place, this.spare.pop() ?? newThumb());
      const node = this.nodes.get(place);
      if (fresh || redraw) this.draw(node, place);
      if (fresh) this.room.append(node);
    }
    this.fetchBeyond(first, after);
  }

  // Fetches pictures beyond the window into the browser's cache, nearest first and a few at a time, for fast scrolling.
  fetchBeyond(first, after) {
    const reach = Math.max(this.columns, FETCH_AHEAD);
    this.beyond = [];
    for (let k = 0; k < reach; k++) {
      if (after + k < this.shown) this.beyond.push(after + k);
      if (k < reach / 2 && first - 1 - k >= 0) this.beyond.push(first - 1 - k);
    }
    while (this.inFlight < IN_FLIGHT && this.fetchOne());
  }

  fetchOne() {
    if (document.querySelector('dialog[open]')) return false;   // what is in front comes first
    while (this.beyond?.length) {
      const place = this.beyond.shift();
      const row = this.rows.get(place);
      if (!row) { if (place < this.shown) this.ask(place); continue; }
      const address = this.address(row.id);
      if (this.fetched.has(address) || !hasPictures(row.expnum)) continue;
      this.fetched.add(address);
      this.inFlight++;
      const image = new Image();
      image.fetchPriority = 'low';
      const next = () => { this.inFlight--; if (!this.closed) this.fetchOne(); };
      image.onload = next;
      image.onerror = () => { this.fetched.delete(address); next(); };
      image.src = address;
      return true;
    }
    return false;
  }

  draw(node, place) {
    const column = place % this.columns, line = Math.floor(place / this.columns);
    node.style.cssText = `width:${this.cell}px;height:${this.picture + LABEL}px;transform:translate(${GAP + column * (this.cell + GAP)}px,${GAP + line * this.step}px)`;
    node.dataset.place = place;
    const row = this.rows.get(place);
    const { image, name, letter, value } = node.parts;
    image.style.height = `${this.picture}px`;
    if (!row) {
      this.ask(place);
      node.dataset.imageId = '';
      image.removeAttribute('src');
      name.textContent = '';
      letter.hidden = true;
      value.textContent = '';
      return;
    }
    node.dataset.imageId = row.id;
    const address = this.address(row.id);
    if (!hasPictures(row.expnum)) { node.classList.add('gone'); image.removeAttribute('src'); }
    else if (image.getAttribute('src') !== address) { node.classList.remove('gone'); image.src = address; }
    name.textContent = `${row.expnum}-${row.name}`;
    value.textContent = row.value;
    letter.hidden = false;
    letter.style.background = this.palette[row.code];
    letter.textContent = this.letters[row.code] ?? '';
    node.title = `${row.expnum}-${row.name}${this.titles[row.code] ? ` · ${this.titles[row.code]}` : ''}`;
    node.setAttribute('aria-label', node.title);
    this.mark(node, row);
  }

  get focus() { return this.led ?? this.model.focus; }
  get expnum() { return this.led === null ? this.model.focus_expnum : expnumOf(this.led); }

  mark(node, row) {
    node.classList.toggle('focused', row.id === this.focus);
    node.classList.toggle('of-exposure', row.expnum === this.expnum && row.id !== this.focus);
    node.classList.toggle('picked', this.picked.has(row.id));
    node.setAttribute('aria-selected', row.id === this.focus || this.picked.has(row.id));
  }

  address(id) { return `picture/thumb/${id}?s=${this.model.stretch}&v=${this.model.picture_version}`; }

  restretch() { this.fill(true); }

  // ---- focus and picking

  drawFocus() {
    for (const [place, node] of this.nodes) if (this.rows.has(place)) this.mark(node, this.rows.get(place));
    this.ahead();
  }

  // Late answers to earlier steps must not move the focus back.
  follow() {
    if (this.led !== null && this.model.focus !== this.led) return;
    this.led = null;
    const place = this.model.focus_place;
    this.place = place;
    if (place >= 0 && this.model.focus >= 0) this.reveal(place);
    this.drawFocus();
  }

  reveal(place) {
    if (!this.step) return;
    const top = Math.floor(place / this.columns) * this.step, bottom = top + this.step + GAP;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.scroller.scrollTop = bottom - clientHeight;
  }

  // The next exposures in this order, which the mosaic loads ahead of time.
  ahead() {
    const next = [];
    for (let place = Math.max(0, this.place ?? 0) + 1; place < this.shown && next.length < NEXT_EXPOSURES; place++) {
      const row = this.rows.get(place);
      if (!row) break;
      if (row.expnum !== this.expnum && !next.includes(row.expnum)) next.push(row.expnum);
    }
    window.dispatchEvent(new CustomEvent('triptych-ahead', { detail: next }));
  }

  focusOn(place) {
    const row = this.rows.get(place);
    if (!row) return;
    this.place = place;
    this.led = row.id;
    this.reveal(place);
    this.drawFocus();
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.tell('focus', { image_id: row.id }), this.told > performance.now() - STEP_MS ? STEP_MS : 0);
    this.told = performance.now();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => { this.led = null; this.follow(); }, CONFIRM_MS);
  }

  placeOf(event) { return Number(event.target.closest?.('.thumb')?.dataset.place ?? -1); }

  clicked(event) {
    const place = this.placeOf(event);
    const row = this.rows.get(place);
    if (!row) return;
    if (event.shiftKey) {
      const from = this.anchor >= 0 ? this.anchor : Math.max(0, this.place ?? place);
      for (let at = Math.min(from, place); at <= Math.max(from, place); at++) if (this.rows.has(at)) this.picked.add(this.rows.get(at).id);
    } else if (event.ctrlKey || event.metaKey) {
      if (!this.picked.delete(row.id)) this.picked.add(row.id);
      this.anchor = place;
    } else {
      this.picked.clear();
      this.anchor = place;
      this.focusOn(place);
    }
    this.drawHead();
    this.drawFocus();
  }

  key(key, event) {
    if (!this.scroller.clientWidth || document.querySelector('dialog[open]')) return false;
    if (key === 'J') { this.judge(); return Boolean(this.model.total); }
    const from = event.composedPath()[0];
    const inside = from === this.scroller;
    const free = inside || from === document.body || from === document.documentElement;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    const move = key === 'j' ? 1 : key === 'k' ? -1 : free ? steps[key] : undefined;
    if (move !== undefined && this.shown) {
      const place = this.place ?? -1;
      this.focusOn(place < 0 ? 0 : Math.min(this.shown - 1, Math.max(0, place + move)));
      return true;
    }
    if (inside && key === 'Escape' && this.picked.size) { this.picked.clear(); this.drawHead(); this.drawFocus(); return true; }
    return false;
  }

  // ---- head

  drawHead() {
    const { total, how, sorts, sorted_by: by } = this.model;
    const picked = this.picked.size;
    this.empty.hidden = total > 0;
    this.scroller.hidden = total === 0;
    if (!total) {
      this.head.innerHTML = '<span>Nothing selected</span>';
      this.empty.innerHTML = !this.model.has_images ? `<strong>This run has no images</strong><p>Only exposures, votes and labels were imported.
        Search an exposure by its number with <span class="key">/</span>, or see the votes in Agreement. To add images: <span class="mono">triptych ingest</span></p>`
        : `<strong>No images to show</strong><p>Lasso some points on the map (<span class="key">Shift</span> and drag),
        or search with <span class="key">/</span> for an exposure, a night, a band or a reason.</p><p><button data-verb="candidates">Back to the candidates</button></p>`;
      return;
    }
    const options = [...sorts].map(name => `<option value="${name}" ${name === by ? 'selected' : ''}>${SORT_NAMES[name] ?? name}</option>`).join('');
    const rest = total > this.shown && this.shown ? `, first ${this.shown.toLocaleString('en-US')} shown` : '';
    this.head.innerHTML = `<span class="how"><strong>${total.toLocaleString('en-US')}</strong> <span class="words"></span></span>
      <label><span class="wide">by </span><select aria-label="sorted by" title="sorted by">${options}</select></label>
      ${picked ? `<button class="quiet push" data-verb="keep" title="Select only the picked ones"><strong>${picked}</strong> picked: keep</button>` : ''}
      ${this.judgeButton(picked)}
      <button class="quiet" data-verb="similar" title="Images that look like ${picked ? 'the picked ones' : 'the focused one'}">similar</button>
      <button class="quiet" data-verb="clear" aria-label="select nothing" title="Select nothing">×</button>`;
    this.head.querySelector('.words').textContent = `${how || 'selected'}${rest}`;
    this.head.querySelector('.how').title = `${total.toLocaleString('en-US')} images ${how}${rest}`;
  }

  judgeButton(picked) {
    if (!this.model.can_vote) return '<span class="push"></span>';
    const n = picked ? new Set([...this.picked].map(expnumOf)).size : this.model.exposures;
    return `<button class="judge ${picked ? '' : 'push'}" data-verb="judge" title="Look at all of them on one sheet, leave some out, and give the rest one judgement">
      Judge <strong>${n.toLocaleString('en-US')}</strong> <span class="wide">${n === 1 ? 'exposure' : 'exposures'}</span> <span class="key">⇧J</span></button>`;
  }

  close() {
    this.closed = true;
    this.over.abort();
    this.stopKeys();
    this.resizing.disconnect();
  }
}

function newThumb() {
  /** @type {any} */
  const node = document.createElement('div');
  node.className = 'thumb';
  node.setAttribute('role', 'option');
  node.innerHTML = '<img alt="" draggable="false"><div class="line"><i class="letter"></i><span class="name"></span><span class="value"></span></div>';
  const find = selector => node.querySelector(selector);
  node.parts = { image: find('img'), letter: find('.letter'), name: find('.name'), value: find('.value') };
  node.parts.image.addEventListener('error', () => node.classList.add('gone'));
  return node;
}

// Searches as if the user had typed it.
function searchFor(text) {
  /** @type {any} */
  const form = document.querySelector('#search');
  form.elements.text.value = text;
  form.requestSubmit();
}
