// @ts-check
// The map of all CCD images: one point each, in 2-D or 3-D, drawn by the browser. Pan, zoom, turn, recolour, isolate and
// select need no answer of the server. The map tells the server what is selected and in focus. When another view selects
// something, the server tells the map.

import { plain } from '../basics/plain.js';
import { Camera } from './camera.js';
import { Card } from './card.js';
import { bytesOf, Choice } from './choice.js';
import { furnish } from './furniture.js';
import { listen } from './gestures.js';
import { NoWebGL, PointPainter } from './gl.js';
import { ImagePainter } from './image.js';
import { Labels } from './labels.js';
import { PointSet } from './points.js';
import { regionOf, textOfImages, textOfRegion } from './region.js';
import { countByCode, inSlices, insideRegion, nearest } from './select.js';
import { pageOf, paletteTexture, shownCodes } from './shared.js';

const REACH_PX = 8;                 // a click takes the nearest point within this distance
const PREFETCH = 1_000_000;         // up to this many points the other map is fetched ahead of time
const STEPS_KNOWN = 4000;           // up to this many selected points the keys , and . work
const KNOWN = ['reason', 'prediction', 'probability'];   // colourings on the card beside the cursor, if they are known
const RIMMED = 300;                 // up to this many selected points have a white rim
const SETTLE_MS = 160;

export function mount(el, model) {
  const map = new PointMap(el, model);
  map.open();
  return () => map.close();
}

class PointMap {
  constructor(el, model) {
    this.model = model;
    this.el = el;
    this.led = model.heard;   // number of the last message with a focus that was sent to the server
    this.page = pageOf(model.page_key);
    this.camera = new Camera();
    this.tool = 'pan';
    this.choice = new Choice();
    this.dimming = true;             // whether a selection turns the rest grey; false for the first selection of a page
    this.budget = 120_000;           // most points drawn while the view moves or points still arrive
    this.refined = '';               // state of the drawing of more points than that: '', 'going' or 'done'
    this.searches = 0;
    this.times = {};                 // milliseconds from the request of the page to the first points and to all; of the last lasso
    this.stop = new AbortController();
    this.parts = furnish(el, {
      tool: name => this.setTool(name), dims: dims => this.setDims(dims), reset: () => this.reset(),
      labels: () => this.toggleLabels(), clear: () => this.clear(), retry: () => this.retry(),
    });
    this.labels = new Labels(this.parts.surface);
    this.card = new Card(this.parts.stage, () => model.thumb);
    el.__map = this.hooks();
  }

  open() {
    const { model, page, parts } = this;
    this.unlisten = listen(parts.surface, this, this.acts());
    const heard = { signal: this.stop.signal };
    page.addEventListener('colours', () => this.recolour(), heard);
    page.addEventListener('codes', event => this.moreCodes(event.detail), heard);
    page.addEventListener('isolate', () => this.repalette(), heard);
    page.addEventListener('error', () => { this.colourless = true; this.complain(page.error); }, heard);
    parts.canvas.addEventListener('webglcontextlost', event => { event.preventDefault(); this.lost(); }, heard);
    parts.canvas.addEventListener('webglcontextrestored', () => this.restored(), heard);
    this.watchRatio();
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(parts.stage);
    model.on('points', () => this.load());
    model.on('colour_urls', () => page.setUrls(plain(model.colour_urls)));
    model.on('colour_by', () => page.show(model.colour_by));
    model.on('isolate', () => { if (String(model.isolate) !== String(page.isolated)) page.isolate([...model.isolate]); });
    model.on('dims', () => this.setDims(model.dims));
    model.on(['focus', 'focus_ccd', 'heard'], () => this.ringFocus());
    model.on('msg:custom', message => this.hear(plain(message.data ?? message)));
    page.setUrls(plain(model.colour_urls));
    page.show(model.colour_by);
    if (model.isolate.length) page.isolated = [...model.isolate];
    this.camera.dims = model.dims;
    this.setTool('pan');
    this.paint();
    this.load();
  }

  // ---- drawing

  paint() {
    const { canvas } = this.parts;
    try {
      this.painter = this.model.fallback_only ? null : new PointPainter(canvas);
    } catch (error) {
      if (!(error instanceof NoWebGL)) console.warn(error.message);
      this.painter = null;
    }
    if (!this.painter) {
      this.painter = new ImagePainter(canvas, view => this.pictureAddress(view));
      this.parts.note('This browser cannot draw the map itself (no WebGL2), so the server does. Everything works, slower.');
    }
  }

  pictureAddress(view) {
    const base = this.page.urls[this.page.colourBy] || '';
    const query = new URLSearchParams({ ...view, isolate: this.page.isolated.join('|') });
    return `${base.replace('colours/', 'picture/').replace('.bin', '.png')}&${query}`;
  }

  // Draw again, because the view, the points or their look has changed.
  request() { this.changed = true; this.wake(); }

  wake() {
    if (this.frame || this.closed) return;
    this.frame = requestAnimationFrame(now => this.tick(now));
  }

  tick(now) {
    this.frame = 0;
    if (this.closed || !this.set?.n || !this.painter || this.camera.width < 2) return;
    const elapsed = Math.min(64, now - (this.last || now - 16));
    const moving = this.camera.step(elapsed) || now - (this.touched || 0) < SETTLE_MS || this.loading;
    if (moving && this.set.n > 50_000 && this.last) this.pace(now - this.last);
    this.last = moving ? now : 0;
    if (this.hovering) this.findHover();
    this.drawFrame(moving);
    if (moving && !this.loading) this.request();
  }

  // While the view moves, only the first points are drawn, which are a fair sample. When it rests, all are drawn in slices.
  drawFrame(moving) {
    const { camera, painter } = this;
    const look = this.look();
    const sample = { ...look, count: Math.min(look.count, this.budget) };
    const short = look.count > sample.count && painter.refines;
    if (this.changed || moving) {
      this.changed = false;
      this.refined = '';
      painter.draw(camera, short ? sample : look);
      if (sample.count && !this.times.first) { this.times.first = -1; requestAnimationFrame(now => { this.times.first = now; }); }
      this.labels.place(camera, this.page.isolated, this.choice.count > 0 && this.dimming);
      if (moving) return;
      if (short) {
        painter.beginRefining(camera, look);
        this.refined = 'going';
        this.wake();
      } else this.markReady();
    } else if (this.refined === 'going') {
      if (painter.refine()) {
        this.refined = 'done';
        painter.showRefined(camera, this.look());
        this.markReady();
      } else this.wake();
    } else if (this.refined === 'done') painter.showRefined(camera, look);
    else painter.draw(camera, look);
  }

  // Points arrive in a shuffled order, so that the first ones are a fair sample of all.
  pace(ms) {
    if (ms > 60) this.budget = Math.max(30_000, Math.min(this.budget, this.set.n) * 40 / ms);
    else if (ms < 24) this.budget *= 1.3;
  }

  look() {
    const { camera, set } = this;
    const digits = Math.log10(Math.max(10, set.n));
    const zoom = Math.max(0.5, camera.zoom);
    const room = Math.sqrt(Math.max(0.4, Math.min(camera.width, camera.height) / 620));
    return {
      size: Math.min(16, Math.max(1.1, 10.4 - 1.6 * digits) * room * Math.pow(zoom, 0.45)),
      alpha: Math.min(1, (1.42 - 0.14 * digits) * Math.pow(zoom, 0.15)),
      hasSelection: this.choice.count > 0 && this.dimming,
      rim: this.choice.count <= RIMMED || !this.dimming,
      isolated: this.page.isolated.length > 0,
      quiet: !this.page.colours || this.page.colours.entries.some(entry => entry.quiet && entry.count),
      count: set.drawable(camera),
      rings: this.choice.rings(),
    };
  }

  // The pixel ratio changes when the window moves to another screen or the page is zoomed.
  watchRatio() {
    const query = matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    query.addEventListener('change', () => { this.resize(); this.watchRatio(); }, { once: true, signal: this.stop.signal });
  }

  resize() {
    const { stage, canvas } = this.parts;
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (!width || !height) return;
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    this.camera.resize(width, height);
    // Draw at once, because otherwise the picture is empty for a moment.
    if (this.set?.n) { cancelAnimationFrame(this.frame); this.changed = true; this.tick(performance.now()); }
  }

  lost() {
    this.painter = null;
    this.parts.note('The graphics card was reset. Drawing again …');
  }

  restored() {
    this.paint();
    this.parts.note('');
    if (this.set?.n) this.painter.begin(this.set);
    if (this.page.colours) this.recolour();
    this.request();
  }

  markReady() {
    const { set, page, parts } = this;
    if (set.arrived[this.camera.dims] < set.n || page.colours?.codes.length !== set.n || set.coloured < set.n || !set.expnum) return;
    this.times.ready ||= performance.now();
    parts.root.dataset.ready = '1';
    this.el.__map.ready = true;
  }

  // ---- data

  async load() {
    const { parts, model } = this;
    delete parts.root.dataset.ready;
    this.el.__map.ready = false;
    this.set?.close();
    const meta = plain(model.points);
    const set = this.set = new PointSet(meta);
    this.choice.reset(set);
    if (!meta.n) { parts.state('empty', meta.empty || 'There is no map yet.'); this.tell(); return; }
    for (const dims of [2, 3]) { this.camera.setHalf(dims, set.half(dims)); parts.offer(dims, set.has(dims)); }
    if (!set.has(this.camera.dims)) this.camera.dims = set.has(2) ? 2 : 3;
    parts.mark(this.tool, this.camera.dims);
    this.camera.reset();
    this.camera.snap();
    parts.state('loading', `Loading ${meta.n.toLocaleString('en')} images …`);
    this.tell();
    try {
      this.loading = true;
      this.painter?.begin(set);
      if (this.page.colours) this.recolour();
      await this.fetchPlaces(set, this.camera.dims);
      if (set !== this.set) return;
      this.loading = false;
      parts.state('', '');
      this.request();
      await set.loadIds();
      if (set !== this.set) return;
      this.ringFocus();
      model.send_msg({ type: 'hello' });
      this.request();
      this.prefetch(set);
    } catch (error) {
      if (set === this.set) this.loading = false;
      if (set === this.set && error.name !== 'AbortError') this.complain(`The map did not arrive (${error.message}).`);
    }
  }

  retry() {
    if (this.colourless) this.page.show(this.page.colourBy);
    else this.load();
  }

  fetchPlaces(set, dims) {
    return set.load(dims, (from, to) => {
      if (set !== this.set) return;
      this.painter?.writePlaces(set, dims, from, to);
      if (dims === this.camera.dims) {
        this.parts.progress(to / set.n);
        if (!from && this.parts.root.dataset.state === 'loading') this.parts.state('arriving', '');
        if (from < this.budget) this.request();
      }
    });
  }

  // Fetch the other colourings one after the other while nothing else happens, so that a later recolouring needs no request.
  prefetch(set) {
    const idle = window.requestIdleCallback || (act => setTimeout(act, 300));
    this.ahead = new Promise(done => idle(() => this.fetchOthers(set).then(done)));
  }

  async fetchOthers(set) {
    const other = this.camera.dims === 2 ? 3 : 2;
    if (set === this.set && set.n <= PREFETCH && set.has(other)) await this.fetchPlaces(set, other).catch(() => {});
    const others = set.n <= PREFETCH ? Object.keys(this.page.urls) : ['cluster', 'verdict'];
    for (const name of new Set([...KNOWN, ...others])) {
      if (set !== this.set || this.closed) return;
      await this.page.fetch(name).then(colours => colours.whole).catch(() => {});
    }
  }

  recolour() {
    const { page, set } = this;
    const colours = page.colours;
    if (!set?.n || colours.codes.length !== set.n) return;
    set.codes = colours.codes;
    set.coloured = 0;
    const letters = colours.palette.map((_, code) => colours.entries.find(e => code >= e.first && code <= e.last)?.letter || '');
    this.painter?.writeGlyphs(letters);
    if (this.colourless) this.parts.state('', '');
    this.colourless = false;
    this.labels.reset(set, colours);
    this.repalette();
    this.moreCodes(colours);
  }

  moreCodes(colours) {
    const { set } = this;
    if (colours !== this.page.colours || set?.codes !== colours.codes) return;
    const from = set.coloured;
    set.coloured = colours.arrived;
    this.painter?.writeCodes(set.codes, from, set.coloured);
    if (set.coloured === set.n) this.countChosen();
    if (from < this.budget || set.coloured === set.n) this.request();
  }

  repalette() {
    if (!this.page.colours) return;
    this.texels = paletteTexture(this.page.colours, this.page.isolated);
    this.painter?.writePalette(this.texels);
    this.request();
  }

  complain(text) { this.parts.state('error', text); }

  // ---- selection and focus

  shown() { return shownCodes(this.page.colours, this.page.isolated); }

  only() { return { colourBy: this.page.colourBy, labels: this.page.isolated }; }

  // Select the points inside an outline on the screen. A long map is searched in slices. Of several outlines the last counts.
  async take(polygon, how, gesture) {
    const { set } = this;
    if (!set?.n || set.drawable(this.camera) < set.n || this.camera.morph % 1) return;
    const begun = performance.now();
    const region = regionOf(this.camera, polygon);
    const search = ++this.searches;
    const found = inSlices(set.n, insideRegion(set, region, this.shown()), () => search !== this.searches || set !== this.set);
    const taken = found instanceof Promise ? await found : found;
    if (!taken) return;
    this.commit(taken, how, gesture, textOfRegion(region, how, this.only()));
    this.times.lasso = performance.now() - begun;
  }

  commit(chosen, how, gesture, text, focus = -1) {
    this.dimming = true;
    this.choice.apply(chosen, how);
    const message = this.choice.message(gesture, focus, text);
    if (focus >= 0) this.lead(focus, message);
    else this.model.send_msg(message);
    this.showChoice();
  }

  showChoice() {
    this.painter?.writeState(this.set.state);
    this.walking = null;
    this.countChosen();
    this.tell();
    this.request();
  }

  // The legend says how many of each class are selected.
  countChosen() {
    const { set, page } = this;
    page.chosen = this.choice.count && set.codes.length === set.n ? countByCode(set.state, set.codes) : null;
    page.tell('chosen');
  }

  clear() { this.commit(new Uint32Array(0), 'replace', 'clear', ''); }

  // A selection that another view made: points, or the address of one bit per point.
  async hear(message) {
    if (message.type !== 'selection' || !this.set?.n) return;
    const { set } = this;
    const search = ++this.searches;
    let chosen = message.indices;
    if (message.url) {
      try {
        const answer = await fetch(message.url, { credentials: 'same-origin' });
        if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
        chosen = bytesOf(new Uint8Array(await answer.arrayBuffer()), set.n);
      } catch (error) {
        this.parts.note(`The selection did not arrive (${error.message}); select again.`);
        return;
      }
      if (search !== this.searches || set !== this.set) return;
    }
    this.dimming = message.dim !== false;
    this.choice.apply(chosen, 'replace');
    this.showChoice();
  }

  // Put the next point of the selection in focus and show its card. The order is from left to right, as in reading.
  walk(step) {
    const { set, choice } = this;
    if (!set?.expnum || !choice.count || choice.count > STEPS_KNOWN) return;
    if (!this.walking) {
      const place = new Float32Array(3);
      const order = [...choice.indices()].map(i => { set.project(this.camera, i, i + 1, place); return [i, place[0]]; });
      this.walking = { order: order.sort((a, b) => a[1] - b[1] || a[0] - b[0]).map(one => one[0]), at: -1 };
    }
    const { order } = this.walking;
    this.walking.at = (this.walking.at + step + order.length + (this.walking.at < 0 && step < 0 ? 1 : 0)) % order.length;
    const i = order[this.walking.at];
    this.lead(i, { type: 'focus', index: i });
    const place = new Float32Array(3);
    set.project(this.camera, i, i + 1, place);
    this.card.show(set, i, place[0], place[1], this.knownColours());
    this.request();
  }

  // Draw a ring at once around a point that came into focus here.
  lead(i, message) {
    this.choice.ringImage(i);
    this.led += 1;
    this.model.send_msg({ ...message, step: this.led });
  }

  // Take over the focus from the server, unless the server has not handled the last step taken here.
  ringFocus() {
    if (!this.set?.expnum || this.model.heard < this.led) return;
    this.choice.ringExposure(this.model.focus, this.model.focus_ccd);
    this.request();
  }

  async findHover() {
    const [x, y] = this.hovering;
    this.hovering = null;
    const hover = this.hovers = (this.hovers || 0) + 1;
    const found = this.search(x, y, REACH_PX, () => hover !== this.hovers);
    const i = found instanceof Promise ? await found : found;
    if (i === undefined || hover !== this.hovers) return;
    this.parts.surface.classList.toggle('over', i >= 0);
    if (i < 0) this.card.hide();
    else { this.card.show(this.set, i, x, y, this.knownColours()); this.near(x, y); }
    if (this.choice.point(i)) this.wake();
  }

  // Fetch pictures of points around the cursor while it rests and nothing else happens.
  near(x, y) {
    clearTimeout(this.nearing);
    if (this.set.n > 400_000) return;
    this.nearing = setTimeout(() => {
      const around = [[14, 0], [-14, 0], [0, 14], [0, -14]].map(([dx, dy]) => this.pick(x + dx, y + dy)).filter(i => i >= 0);
      this.card.prefetch(around.map(i => this.set.imageId(i)));
    }, 200);
  }

  knownColours() {
    const { page } = this;
    const shown = page.colours ? [page.colours] : [];
    for (const name of KNOWN) if (name !== page.colourBy) shown.push(page.ready(name));
    return shown.filter(colours => colours?.codes.length === this.set.n && colours.arrived === this.set.n);
  }

  // Index of the nearest point; on a long map a promise of it.
  search(x, y, reach, stale) {
    if (!this.set?.n) return -1;
    return inSlices(this.set.n, nearest(this.set, this.camera, x, y, reach, this.shown()), stale);
  }

  pick(x, y) {
    if (!this.set?.n) return -1;
    const steps = nearest(this.set, this.camera, x, y, REACH_PX, this.shown());
    for (;;) { const step = steps.next(); if (step.done) return step.value; }
  }

  tell() {
    const all = (this.set?.n || 0).toLocaleString('en');
    const { count } = this.choice;
    this.parts.count(`${all} images`, count ? `${count.toLocaleString('en')} selected` : '');
  }

  // ---- what gestures and buttons do

  acts() {
    const touch = act => (...values) => { if (!this.set?.n) return; this.touched = performance.now(); act(...values); this.request(); };
    return {
      pan: touch((dx, dy) => this.camera.panBy(dx, dy)),
      rotate: touch((dx, dy) => this.camera.rotateBy(dx, dy)),
      zoom: touch((factor, x, y) => { this.card.hide(); this.camera.zoomAt(factor, x, y); }),
      click: (x, y, how) => this.click(x, y, how),
      lasso: (polygon, how) => this.take(polygon, how, 'lasso'),
      box: ([[x0, y0], [x1, y1]], how) => this.take([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], how, 'box'),
      walk: step => this.walk(step),
      hover: (x, y) => this.hover(x, y),
      outline: (kind, points) => this.parts.outline(kind, points),
      tool: name => this.setTool(name),
      dims: dims => this.setDims(dims),
      reset: () => this.reset(),
      labels: () => this.toggleLabels(),
      clear: () => this.clear(),
      pickCentre: how => this.click(this.camera.width / 2, this.camera.height / 2, how, 60),
    };
  }

  async click(x, y, how, reach = REACH_PX) {
    if (!this.set?.expnum) return;
    const search = ++this.searches;
    const found = this.search(x, y, reach, () => search !== this.searches);
    const i = found instanceof Promise ? await found : found;
    if (!(i >= 0) || search !== this.searches) return;
    this.commit(Uint32Array.of(i), how, 'click', textOfImages([this.set.imageId(i)], how), how === 'subtract' ? -1 : i);
  }

  hover(x, y) {
    if (x === null) {
      this.hovering = null;
      this.hovers = (this.hovers || 0) + 1;
      clearTimeout(this.nearing);
      this.card.hide();
      if (this.choice.point(-1)) this.wake();
      return;
    }
    this.hovering = [x, y];
    this.wake();
  }

  setTool(name) {
    this.tool = name;
    this.parts.mark(name, this.camera.dims);
  }

  async setDims(dims) {
    const { set, model, parts } = this;
    if (!set?.n || !set.has(dims) || dims === this.camera.dims) { if (!set?.n) this.camera.dims = dims; return; }
    try {
      if (set.arrived[dims] < set.n) parts.state('loading', `Loading the ${dims}-D map …`);
      await this.fetchPlaces(set, dims);
      parts.state('', '');
    } catch (error) {
      if (error.name !== 'AbortError') this.complain(`The ${dims}-D map did not arrive (${error.message}).`);
      return;
    }
    this.camera.setDims(dims);
    parts.mark(this.tool, dims);
    if (model.dims !== dims) model.dims = dims;
    this.request();
  }

  reset() { this.camera.reset(); this.request(); }

  toggleLabels() {
    this.labels.toggle();
    this.parts.mark(this.tool, this.camera.dims, this.labels.shown);
    this.request();
  }

  // For tests: positions in CSS pixels of the surface, and indices.
  hooks() {
    return {
      ready: false,
      project: i => { const out = new Float32Array(3); this.set.project(this.camera, i, i + 1, out); return [...out]; },
      pick: (x, y) => this.pick(x, y),
      selection: () => [...this.choice.indices()],
      imageId: i => this.set.imageId(i),
      indexOf: imageId => this.set.indexOf(imageId),
      moving: () => this.camera.moving || this.refined === 'going',
      heard: () => this.model.heard >= this.led,
      ahead: () => this.ahead,
      drawn: () => (this.refined === 'done' ? this.set.n : Math.min(this.budget, this.set.drawable(this.camera))),
      budget: () => this.budget,
      times: () => ({ ...this.times }),
      painter: () => this.painter,
      look: () => this.look(),
      chosen: () => this.choice.count,
      view: () => ({ dims: this.camera.dims, scale: this.camera.scale, offset: [...this.camera.offset], tool: this.tool }),
      rings: () => ({ focus: [...this.choice.focus], ccd: [...this.choice.ccd] }),
      set: () => this.set,
      canvas: () => this.parts.canvas,
      camera: () => this.camera,
    };
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.frame);
    this.stop.abort();
    this.unlisten();
    this.resizing.disconnect();
    this.set?.close();
    this.card.hide();
    this.painter?.close();
  }
}
