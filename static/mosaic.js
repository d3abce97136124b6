// Whole-exposure mosaic: every CCD of the focal plane in its place on the sky, north up, east left.
//
//   import { mountMosaic } from './mosaic.js';
//   const mosaic = mountMosaic(box, { version: '0a1b2c', stretch: 'faint' });
//   await mosaic.show(243671);            // resolves when it is on screen; at once when it was prefetched
//   mosaic.prefetch([243672, 243673]);    // replaces the earlier wish
//
// Options (all optional): base ('/picture'), version (of the run's pictures), stretch, scaleMode, invert, names, camera (outline
//   shown before the first exposure), insets [top, right, bottom, left] in CSS pixels kept free when fitting, hud (compass and
//   scale, true), keys (Home, +, -, Escape while the mosaic has the keyboard focus, true), wheel (true), accent (colour of ticks).
// Methods:
//   show(expnum, {keepView, ccd}) -> Promise   null empties the panel; keepView leaves zoom and an enlarged CCD as they are
//   prefetch([expnum...]), setVersion(version)   what was fetched under another version is forgotten
//   setStretch('faint' | 'stars' | 'sky'), setLimits(low, high) in sky sigmas or setLimits(null), setScaleMode('all' | 'ccd'),
//   setInvert(bool), setNames(bool)
//   setOverlay({ccdname: {value, label, colour}} | null), setTicked([ccdname...]), setFocus(ccdname | ''), setAccent(colour)
//   openCcd(ccdname) -> Promise, closeCcd()    one CCD at full resolution over the panel; the preview until it is here
//   fit(), zoomBy(factor)
//   onPick(f)     click: f({expnum, ccdname, imageId, column, row, shiftKey, ctrlKey, altKey}); ccdname '' beside the CCDs
//   onChange(f)   f({kind, ...screen()}) with kind 'show' | 'open' | 'close' | 'stretch' | 'view'
//   screen()      {expnum, stretch, scale_mode, invert, limits, zoom (1 = fit), ccd, ccds_opened} for the record of a vote
//   ccdnames(), ready (Promise: first frame drawn), destroy()
// Drag = pan; wheel = zoom at the cursor; double click = fit, and when it fits already: enlarge the CCD, or close it.
// Listeners return a function that removes them. The root has data-expnum (what is painted), data-ccd, data-state: 'empty',
// 'loading', 'shown', 'failed'. mount(box, model) at the end binds all this to a Panel component (app/image_view.py).

import { MosaicGL } from './mosaic_gl.js';
import { Pictures } from './mosaic_data.js';
import { BACKGROUND, STRETCHES, howToDraw } from './mosaic_stretch.js';
import * as place from './mosaic_view.js';
import { drawCcdMarks, drawMarks } from './mosaic_marks.js';
import { Furniture } from './mosaic_furniture.js';
import { listenTo } from './mosaic_pointer.js';

export { STRETCHES };
export { mount } from './mosaic_component.js';

const DEFAULTS = {
  stretch: 'faint', scaleMode: 'all', invert: false, names: false, insets: [10, 10, 10, 10], hud: true, keys: true, wheel: true,
  accent: '#58a6ff', camera: '',
};
const CCD_INSETS = [44, 12, 40, 12];
const QUARTER_FROM = 4; // full-resolution pixels along one of the screen

export function mountMosaic(el, options = {}) { return new Mosaic(el, { ...DEFAULTS, ...options }); }

class Mosaic {
  constructor(el, options) {
    this.options = options;
    this.expnum = null;      // asked for
    this.picture = null;     // of this exposure, when it is here
    this.ccds = [];
    this.opened = null;      // {ccd, rect, packet, note} of the enlarged CCD
    this.openedNames = [];
    this.view = { x: 0, y: 0, scale: 1 };
    this.fits = true;
    this.overlay = null;
    this.ticked = new Set();
    this.focus = '';
    this.hover = '';
    this.cursor = null;
    this.listeners = { pick: new Set(), change: new Set() };
    this.pictures = options.pictures ?? new Pictures(options);
    this.pictures.onload = (expnum, picture) => this.uploaded(expnum, picture);
    this.furniture = new Furniture(el, options, this);
    this.root = this.furniture.root;
    this.startGL();
    this.stopListening = listenTo(this);
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(this.root);
    this.resize();
    this.ready = new Promise(resolve => { this.readyNow = resolve; });
    if (options.camera) this.outline(options.camera);
    this.requestDraw();
  }

  // ---- what is shown

  async show(expnum, { keepView = false, ccd = '' } = {}) {
    const again = keepView && this.opened ? this.opened.ccd.ccdname : ccd;
    this.expnum = expnum;
    this.opened = null;
    this.openedNames = [];
    this.hover = '';
    this.picture = expnum === null ? null : this.pictures.peek(expnum) ?? null;
    if (!this.picture) {
      this.ccds = [];
      this.furniture.state(expnum === null ? 'empty' : 'loading', expnum);
      this.draw();
      if (expnum === null) return;
      let picture;
      try {
        picture = await this.pictures.exposure(expnum);
      } catch (error) {
        if (this.expnum === expnum) this.furniture.state('failed', expnum, error.message);
        return;
      }
      if (this.expnum !== expnum) return;
      this.picture = picture;
    } else {
      this.pictures.keep(expnum, this.picture);
    }
    const before = this.geometry;
    this.geometry = this.picture.geometry;
    this.ccds = place.placed(this.picture);
    if (!keepView || before !== this.geometry) this.fits = true;
    this.frame();
    this.furniture.state('shown', expnum);
    if (again) this.openCcd(again, { keepView });
    this.draw();
    this.tell('show');
    await new Promise(resolve => requestAnimationFrame(resolve));
  }

  // Previews were made again: nothing that was fetched before counts.
  setVersion(version) {
    if (version === this.pictures.version) return;
    this.pictures.forget(version);
    this.gl?.forget();
    if (this.expnum !== null) this.show(this.expnum, { keepView: true });
  }

  prefetch(expnums) { return this.pictures.prefetch(expnums.filter(expnum => expnum !== this.expnum)); }

  async outline(camera) {
    try {
      const geometry = await this.pictures.geometry(camera);
      if (this.geometry) return;
      this.geometry = geometry;
      this.frame();
      this.requestDraw();
    } catch { /* without an outline the panel is empty until the first exposure */ }
  }

  // A picture that came ahead of time goes to the graphics card at once, so that show() only draws.
  uploaded(expnum, picture) {
    if (!this.gl || this.lost) return;
    this.texture(`${expnum}`, picture.pixels, picture.header);
  }

  texture(key, codes, { columns, rows, layers }) {
    if (!this.gl.has(key)) this.gl.upload(key, codes, columns, rows, layers);
    return key;
  }

  // ---- how it is shown

  setStretch(name) {
    if (!(name in STRETCHES)) throw new Error(`'${name}' is not a stretch; known: ${Object.keys(STRETCHES).join(', ')}`);
    this.options.stretch = name;
    this.changed('stretch');
  }
  setLimits(low, high) { this.options.limits = low === null || low === undefined ? null : [low, high]; this.changed('stretch'); }
  setScaleMode(mode) { this.options.scaleMode = mode === 'ccd' ? 'ccd' : 'all'; this.changed('stretch'); }
  setInvert(on) { this.options.invert = Boolean(on); this.changed('stretch'); }
  setNames(on) { this.options.names = Boolean(on); this.requestDraw(); }
  setOverlay(overlay) { this.overlay = overlay; this.requestDraw(); }
  setTicked(ccdnames) { this.ticked = new Set(ccdnames); this.requestDraw(); }
  setFocus(ccdname) { this.focus = ccdname; this.requestDraw(); }
  setAccent(colour) { this.options.accent = colour; this.requestDraw(); }
  changed(kind) { this.requestDraw(); this.tell(kind); }

  ccdnames() { return this.ccds.map(ccd => ccd.ccdname); }

  screen() {
    const { stretch, scaleMode, invert, limits } = this.options;
    return {
      expnum: this.expnum, stretch, scale_mode: scaleMode, invert, limits: limits ?? null,
      zoom: Number((this.view.scale / this.fitted().scale).toFixed(2)), ccd: this.opened?.ccd.ccdname ?? '',
      ccds_opened: [...this.openedNames],
    };
  }

  // ---- one CCD at full resolution

  async openCcd(ccdname, { keepView = false } = {}) {
    const ccd = this.ccds.find(one => one.ccdname === ccdname);
    if (!ccd) return;
    const [width, height] = place.skySize(this.geometry, ccd.columns, ccd.rows);
    const opened = { ccd, at: performance.now(), rect: [0, 0, width, height], packet: null, note: 'preview; full resolution is loading' };
    this.opened = opened;
    if (!this.openedNames.includes(ccdname)) this.openedNames.push(ccdname);
    if (!keepView) this.fits = true;
    this.frame();
    this.requestDraw();
    this.tell('open');
    try {
      opened.packet = await this.pictures.ccd(ccd.image_id);
      opened.note = opened.packet.header.note || `full resolution, ${ccd.columns} x ${ccd.rows}`;
    } catch (error) {
      opened.note = `preview only: ${error.message}`;
    }
    if (this.opened === opened) this.requestDraw();
    await new Promise(resolve => requestAnimationFrame(resolve));
  }

  closeCcd() {
    if (!this.opened) return;
    this.opened = null;
    this.fits = true;
    this.frame();
    this.requestDraw();
    this.tell('close');
  }

  // ---- view

  world() {
    if (this.opened) return this.opened.rect;
    return this.geometry ? place.wholeOf(this.geometry, this.ccds) : [0, 0, 1, 1];
  }

  fitted() {
    const insets = this.opened ? CCD_INSETS : this.options.insets;
    return place.fit(this.world(), this.width, this.height, insets.map(side => side * this.ratio));
  }

  frame() { if (this.fits) this.view = this.fitted(); }

  fit() { this.fits = true; this.frame(); this.changed('view'); }

  zoomBy(factor, px = this.width / 2, py = this.height / 2) {
    const least = this.fitted().scale;
    const range = [least, Math.max(least, this.opened ? 24 * this.ratio : 2 * this.ratio)];
    this.view = place.zoomed(this.view, factor, px, py, this.width, this.height, range);
    this.fits = this.view.scale <= least * 1.0001;
    this.view = place.kept(this.view, this.world());
    this.frame();
    this.changed('view');
  }

  panBy(dx, dy) {
    this.fits = false;
    this.view = place.kept({ ...this.view, x: this.view.x - dx / this.view.scale, y: this.view.y - dy / this.view.scale }, this.world());
    this.requestDraw();
  }

  // CCD, canvas point and pixel under a point of the panel (screen pixels).
  probe(px, py) {
    if (!this.picture) return null;
    const [x, y] = place.toCanvas(this.view, px, py, this.width, this.height);
    const inOpened = this.opened && place.under([this.opened], x, y) ? this.opened.ccd : null;
    const ccd = this.opened ? inOpened : place.under(this.ccds, x, y);
    if (!ccd) return null;
    const rect = this.opened ? this.opened.rect : ccd.rect;
    const [column, row] = place.pixelAt(this.geometry, rect, ccd.columns, ccd.rows, x, y);
    return { ccd, column, row, ...this.valueAt(ccd, rect, x, y) };
  }

  // Value under the cursor: of the full-resolution pixel where it is here, else of the preview's.
  valueAt(ccd, rect, x, y) {
    const packet = this.opened?.packet;
    const { header, pixels } = packet ?? this.picture;
    const tile = packet ? { ...header.ccds[0], layer: 0 } : ccd;
    const [column, row] = place.pixelAt(this.geometry, rect, tile.nx, tile.ny, x, y);
    const code = pixels[(tile.layer * header.rows + row) * header.columns + column];
    if (!code) return { value: null, sigmas: null, unit: header.unit };
    const value = header.zero + header.step * code;
    const sky = this.options.scaleMode === 'ccd' || STRETCHES[this.options.stretch].ownSky ? tile.sky : header.sky;
    return { value, sigmas: (value - sky) / (this.options.scaleMode === 'ccd' ? tile.sigma : header.sigma), unit: header.unit };
  }

  // ---- listeners

  onPick(listener) { return this.listen('pick', listener); }
  onChange(listener) { return this.listen('change', listener); }
  listen(kind, listener) {
    this.listeners[kind].add(listener);
    return () => this.listeners[kind].delete(listener);
  }
  tell(kind) { for (const listener of this.listeners.change) listener({ kind, ...this.screen() }); }
  picked(probe, event) {
    const { shiftKey, ctrlKey, altKey } = event;
    const detail = {
      expnum: this.expnum, ccdname: probe?.ccd.ccdname ?? '', imageId: probe?.ccd.image_id ?? null,
      column: probe?.column ?? null, row: probe?.row ?? null, shiftKey, ctrlKey, altKey,
    };
    for (const listener of this.listeners.pick) listener(detail);
  }

  // ---- drawing

  startGL() {
    try {
      this.gl = new MosaicGL(this.furniture.canvas);
    } catch (error) {
      this.gl = null;
      this.furniture.plainPictures(error.message);
    }
    this.furniture.canvas.addEventListener('webglcontextlost', event => { event.preventDefault(); this.lost = true; });
    this.furniture.canvas.addEventListener('webglcontextrestored', () => { this.lost = false; this.gl.start(); this.requestDraw(); });
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    const bounds = this.root.getBoundingClientRect();
    this.width = Math.max(1, Math.round(bounds.width * this.ratio));
    this.height = Math.max(1, Math.round(bounds.height * this.ratio));
    this.furniture.size(this.width, this.height);
    this.frame();
    if (this.furniture) this.draw();
  }

  requestDraw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (this.asked) cancelAnimationFrame(this.asked);
    this.asked = 0;
    if (this.destroyed || this.lost) return;
    if (this.gl) this.gl.clear(BACKGROUND);
    if (this.picture) this.opened ? this.drawCcd() : this.drawMosaic();
    this.drawScene();
    this.readyNow?.();
  }

  // The enlarged CCD's own packet, unless it is not here yet or the sky view (made of previews) is asked for.
  shown() {
    const packet = this.opened?.packet;
    return packet && !STRETCHES[this.options.stretch].blocks ? packet : this.picture;
  }

  how(header) {
    const { stretch, scaleMode, invert, limits } = this.options;
    const orientation = place.orientationMatrix(this.geometry.orientation);
    return { ...howToDraw(stretch, header, { scaleMode, invert, limits, orientation, relax: this.relax() }) };
  }

  // Averaging n x n full-resolution pixels into one of the screen lowers the noise n times: limits follow, down to the
  // noise of the preview, so that a faint feature looks the same before and after its CCD is enlarged.
  relax() {
    if (!this.opened || this.shown() !== this.opened.packet) return 1;
    const averaged = Math.max(1, 1 / this.view.scale);
    return Math.max(1 / averaged, Math.min(1, this.picture.header.sigma / this.opened.packet.header.sigma));
  }

  drawMosaic() {
    const { header } = this.picture;
    const how = this.how(header);
    if (!this.gl) return this.furniture.drawPlain(this);
    this.drawTiles(`${this.expnum}`, this.picture, how, this.ccds);
  }

  drawCcd() {
    const { ccd, rect, packet } = this.opened;
    const picture = this.shown();
    if (!this.gl) return this.furniture.drawPlain(this);
    if (picture !== packet) return this.drawTiles(`${this.expnum}`, picture, this.how(picture.header), [{ ...ccd, rect }]);
    const key = `${this.expnum}-${ccd.ccdname}`;
    const tile = { ...packet.header.ccds[0], layer: 0, rect };
    if (this.view.scale > 1 / QUARTER_FROM) return this.drawTiles(key, picture, this.how(picture.header), [tile]);
    // Much reduced, the quarter gives the same mean from a sixteenth of the texels.
    const { codes, columns, rows, across, down } = packet.quarter;
    const header = { ...packet.header, columns: across, rows: down };
    this.drawTiles(`${key} quarter`, { header, pixels: codes }, this.how(packet.header), [{ ...tile, nx: columns, ny: rows }]);
  }

  drawTiles(key, { header, pixels, blocks }, how, tiles) {
    const scale = how.blocks ? header.blocks : header;
    const shape = how.blocks ? header.blocks : header;
    const name = this.texture(how.blocks ? `${key} blocks` : key, how.blocks ? blocks : pixels, { layers: header.layers, ...shape });
    this.gl.draw(name, tiles.map(tile => ({
      rect: tile.rect, layer: tile.layer,
      columns: how.blocks ? tile.bx : tile.nx, rows: how.blocks ? tile.by : tile.ny,
      sky: (tile.sky - scale.zero) / scale.step, sigma: tile.sigma / scale.step,
    })), this.view, how);
  }

  drawScene() {
    const scene = {
      view: this.view, geometry: this.geometry, ccds: this.ccds, missing: this.picture?.header.missing ?? {}, overlay: this.overlay,
      names: this.options.names, ticked: this.ticked, focus: this.focus, hover: this.hover, accent: this.options.accent,
      ratio: this.ratio, loading: !this.picture, few: place.isPart(this.geometry, this.ccds),
    };
    const context = this.furniture.marks.getContext('2d');
    if (this.opened) drawCcdMarks(context, scene, this.opened.rect);
    else drawMarks(context, scene);
    this.furniture.update(this);
  }

  destroy() {
    this.destroyed = true;
    this.stopListening();
    this.resizing.disconnect();
    this.pictures.prefetch([]);
    this.gl?.destroy();
    this.root.remove();
  }
}
