// @ts-check
// Mosaic of a whole exposure: every CCD of the focal plane in its place on the sky, north up, east left.
//
//   import { mountMosaic } from './mosaic.js';
//   const mosaic = mountMosaic(box, { version: '0a1b2c', stretch: 'faint' });
//   await mosaic.show(243671);            // resolves when it is on screen; at once if it was prefetched
//   mosaic.prefetch([243672, 243673]);    // replaces the earlier list; the first three are also drawn ahead
//
// Options (all optional): base ('picture'), version (of the run's pictures), stretch, scaleMode, invert, names, camera (outline
//   shown before the first exposure), insets [top, right, bottom, left] in CSS pixels kept free when fitting, hud (compass and
//   scale, true), keys (Home, +, -, Escape while the mosaic has the keyboard focus, true), wheel (true), accent (colour of ticks),
//   ticking (Shift and drag ticks CCDs, false).
// Methods:
//   show(expnum, {keepView, ccd}) -> Promise   null empties the panel; keepView keeps the zoom and an enlarged CCD
//   prefetch([expnum...]), setVersion(version)   pictures of another version are dropped
//   setStretch('faint' | 'stars' | 'sky'), setLimits(low, high) in sky sigmas or setLimits(null), setScaleMode('all' | 'ccd'),
//   setInvert(bool), setNames(bool), setMask(bool)
//   setOverlay({ccdname: {value, label, colour}} | null), setTicked([ccdname...]), setFocus(ccdname | ''), setAccent(colour)
//   setVerdict({state: 'good' | 'some' | 'whole' | 'unsure', text} | null)   corner label and frame of the own judgement
//   openCcd(ccdname) -> Promise, closeCcd()    one CCD at full resolution over the panel; its preview until that arrives
//   blink(expnum, words) -> Promise, blink(null)   show another exposure in the same place, or go back; nothing can be picked in it
//   fit(), zoomBy(factor), rowOf(ccdname), pointed(), cursorKey(key), histogram() (limits.js)
//   onPick(f)     click: f({expnum, ccdname, imageId, column, row, shiftKey, ctrlKey, altKey}); ccdname '' = not on a CCD
//   onTick(f)     Shift and drag: f({ccdnames, on})
//   onChange(f)   f({kind, ...screen()}) with kind 'show' | 'open' | 'close' | 'stretch' | 'view' | 'blink'
//   screen()      {expnum, stretch, scale_mode, invert, limits, zoom (1 = fit), ccd, ccds_opened, masks, blinked_with} for the
//                 record of a vote
//   ccdnames(), ready (Promise: first frame drawn), destroy()
// Drag pans; the wheel zooms at the cursor; a double click fits the exposure, or, if it fits already, enlarges or closes a CCD.
// Listeners return a function that removes them. The root has data-expnum (the exposure on screen), data-ccd, data-blink and
// data-state: 'empty', 'loading', 'shown', 'failed', 'none' (the run has no pictures of it).

import { hasPictures, onPictures } from '../basics/has_pictures.js';
import { Pictures } from './data.js';
import { Furniture } from './furniture.js';
import { Masks } from './masks.js';
import { MosaicPicking } from './picking.js';
import { listenTo } from './pointer.js';
import { STRETCHES } from './stretch.js';
import * as place from './view.js';

export { STRETCHES };

const DEFAULTS = {
  stretch: 'faint', scaleMode: 'all', invert: false, names: false, insets: [10, 10, 10, 10], hud: true, keys: true, wheel: true,
  accent: '#58a6ff', camera: '', ticking: false,
};
const AGAIN = 3000; // ms until the next try after the server did not answer

export function mountMosaic(el, options = {}) { return new Mosaic(el, { ...DEFAULTS, ...options }); }

class Mosaic extends MosaicPicking {
  constructor(el, options) {
    super();
    this.options = options;
    this.expnum = null;      // the exposure that was asked for
    this.picture = null;     // its picture, when it has arrived
    this.ccds = [];
    this.opened = null;      // {ccd, rect, packet, note} of the enlarged CCD
    this.openedNames = [];
    this.other = null;       // {expnum, picture, ccds, geometry, opened, words} of the other exposure while it is shown
    this.blinked = [];       // expnums that were shown in this way since show()
    this.masksSeen = new Set();
    this.next = [];
    this.view = { x: 0, y: 0, scale: 1 };
    this.fits = true;
    this.overlay = null;
    this.verdict = null;
    this.ticked = new Set();
    this.focus = '';
    this.hover = '';
    this.keyed = '';
    this.cursor = null;
    this.listeners = { pick: new Set(), tick: new Set(), change: new Set() };
    this.pictures = options.pictures ?? new Pictures(options);
    this.pictures.onload = (expnum, picture) => this.uploaded(expnum, picture);
    this.furniture = new Furniture(el, options, this);
    this.root = this.furniture.root;
    this.masks = new Masks(this);
    this.startGL();
    this.stopListening = listenTo(this);
    this.gone = new AbortController();
    onPictures(() => { if (this.root.dataset.state === 'none') this.show(this.expnum); }, this.gone.signal);
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
    clearTimeout(this.retry);
    Object.assign(this, { expnum, opened: null, openedNames: [], other: null, blinked: [], hover: '', verdict: null });
    this.masksSeen.clear();
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
        if (this.expnum === expnum) this.failed(expnum, error);
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

  // Says why there is no picture. If the server did not answer, this tries again until it does.
  failed(expnum, error) {
    this.furniture.state(error.none ? 'none' : 'failed', expnum, error.message);
    if (error.again) this.retry = setTimeout(() => { if (this.expnum === expnum) this.show(expnum); }, AGAIN);
  }

  // Called when previews were made again. All that was fetched before is dropped.
  setVersion(version) {
    if (version === this.pictures.version) return;
    this.pictures.forget(version);
    this.masks.forget();
    this.gl?.forget();
    this.ahead.forget();
    if (this.expnum !== null) this.show(this.expnum, { keepView: true });
  }

  prefetch(expnums) {
    this.next = expnums.filter(expnum => expnum !== this.expnum);
    if (this.picture) this.drawAhead();
    return this.pictures.prefetch(this.next);
  }

  async outline(camera) {
    try {
      const geometry = await this.pictures.geometry(camera);
      if (this.geometry) return;
      this.geometry = geometry;
      this.frame();
      this.requestDraw();
    } catch { /* without an outline the panel is empty until the first exposure */ }
  }

  // A picture that was fetched ahead goes to the graphics card at once, so that show() only has to draw.
  uploaded(expnum, picture) {
    if (!this.gl || this.lost) return;
    this.texture(`${expnum}`, picture.pixels, picture.header);
    this.masks.ahead(expnum);
    if (this.picture) this.drawAhead();
  }

  // ---- another exposure in the same place

  async blink(expnum, words = '') {
    if (expnum === null || expnum === this.expnum) {
      if (!this.other) return;
      this.other = null;
    } else {
      const picture = this.pictures.peek(expnum) ?? null;
      this.other = { expnum, words, picture, ccds: picture ? place.placed(picture) : [], geometry: picture?.geometry ?? this.geometry, opened: null };
      if (!picture) this.fetchOther(this.other);
      else this.openOther(this.other);
      this.blinked = [...this.blinked.filter(one => one !== expnum), expnum];
    }
    this.hover = '';
    this.draw();
    this.tell('blink');
    await new Promise(resolve => requestAnimationFrame(resolve));
  }

  async fetchOther(other) {
    try {
      other.picture = await this.pictures.exposure(other.expnum);
      other.geometry = other.picture.geometry;
      other.ccds = place.placed(other.picture);
      this.openOther(other);
    } catch (error) {
      other.problem = error.message;
    }
    if (this.other === other) this.draw();
  }

  // While a CCD is enlarged: the same CCD of the other exposure.
  async openOther(other) {
    const ccd = this.opened && other.ccds.find(one => one.ccdname === this.opened.ccd.ccdname);
    if (!ccd) return;
    other.opened = { ccd, packet: null };
    try {
      other.opened.packet = await this.pictures.ccd(ccd.image_id);
    } catch { /* its preview is shown */ }
    if (this.other === other) this.requestDraw();
  }

  // ---- how it is shown

  setStretch(name) {
    if (!(name in STRETCHES)) throw new Error(`'${name}' is not a stretch; known: ${Object.keys(STRETCHES).join(', ')}`);
    this.options.stretch = name;
    this.options.limits = null;
    this.changed('stretch');
  }
  setLimits(low, high) { this.options.limits = low === null || low === undefined ? null : [low, high]; this.changed('stretch'); }
  setScaleMode(mode) { this.options.scaleMode = mode === 'ccd' ? 'ccd' : 'all'; this.changed('stretch'); }
  setInvert(on) { this.options.invert = Boolean(on); this.changed('stretch'); }
  setMask(on) { this.masks.set(on); this.tell('stretch'); }
  setNames(on) { this.options.names = Boolean(on); this.requestMarks(); }
  setOverlay(overlay) { this.overlay = overlay; this.requestMarks(); }
  setTicked(ccdnames) { this.ticked = new Set(ccdnames); this.requestMarks(); }
  setFocus(ccdname) { this.focus = ccdname; this.requestMarks(); }
  setAccent(colour) { this.options.accent = colour; this.requestMarks(); }
  setVerdict(verdict) { this.verdict = verdict; this.requestMarks(); }
  changed(kind) { this.requestDraw(); this.tell(kind); }

  screen() {
    const { stretch, scaleMode, invert, limits } = this.options;
    for (const mask of this.masks.screen()) this.masksSeen.add(mask);
    return {
      expnum: this.expnum, stretch, scale_mode: scaleMode, invert, limits: limits ?? null,
      zoom: Number((this.view.scale / this.fitted().scale).toFixed(2)), ccd: this.opened?.ccd.ccdname ?? '',
      ccds_opened: [...this.openedNames], masks: [...this.masksSeen], blinked_with: [...this.blinked],
      ...(hasPictures(this.expnum) ? {} : { pictures: false }),
    };
  }

  // ---- one CCD at full resolution

  async openCcd(ccdname, { keepView = false } = {}) {
    const ccd = this.ccds.find(one => one.ccdname === ccdname);
    if (!ccd || this.other) return;
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

  destroy() {
    this.destroyed = true;
    clearTimeout(this.retry);
    this.stopListening();
    this.gone.abort();
    this.resizing.disconnect();
    this.pictures.prefetch([]);
    this.ahead.destroy();
    this.gl?.destroy();
    this.root.remove();
  }
}
