// @ts-check
// Drawing of the mosaic: pixels with WebGL2 (without it, pictures from the server), and marks on a second canvas over them.
//
// If no pixel changes, only the marks are drawn again. Without a graphics card the pixels take far longer.

import { FramesAhead } from './frames_ahead.js';
import { MosaicGL } from './gl.js';
import { drawCcdMarks, drawMarks } from './marks.js';
import { MaskGL } from './masks.js';
import { hover } from './pointer.js';
import { BACKGROUND, STRETCHES, howToDraw } from './stretch.js';
import * as place from './view.js';

const CCD_INSETS = [44, 12, 40, 12];
const QUARTER_FROM = 4; // full-resolution pixels along one of the screen
const GESTURE = 200;    // ms: frames during a gesture are not kept

export class MosaicDrawing {
  startGL() {
    try {
      this.gl = new MosaicGL(this.furniture.canvas);
      this.maskGL = new MaskGL(this.gl);
    } catch (error) {
      this.gl = null;
      this.furniture.plainPictures(error.message);
    }
    this.ahead = new FramesAhead(this);
    this.furniture.canvas.addEventListener('webglcontextlost', event => { event.preventDefault(); this.lost = true; this.ahead.forget(); });
    this.furniture.canvas.addEventListener('webglcontextrestored', () => {
      this.lost = false;
      this.gl.start();
      this.maskGL.start();
      this.requestDraw();
    });
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    const bounds = this.root.getBoundingClientRect();
    this.width = Math.max(1, Math.round(bounds.width * this.ratio));
    this.height = Math.max(1, Math.round(bounds.height * this.ratio));
    this.furniture.size(this.width, this.height);
    this.frame();
    this.draw();
  }

  requestDraw() {
    this.pixelsChanged = true;
    this.requestMarks();
  }

  requestMarks() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => (this.pixelsChanged ? this.draw() : this.drawScene()));
  }

  draw() {
    if (this.asked) cancelAnimationFrame(this.asked);
    this.pixelsChanged = false;
    this.asked = 0;
    if (this.destroyed || this.lost) return;
    const seen = this.seen();
    if (!seen.picture) this.clear();
    else if (!this.gl) this.furniture.drawPlain(this, seen);
    else if (this.opened) this.drawCcd(seen);
    else this.drawMosaic(seen);
    if (seen.picture && this.gl) this.masks.draw(this, seen);
    this.furniture.drawLimits(this);
    if (this.cursor) hover(this);
    this.drawScene();
    this.readyNow?.();
  }

  clear() { this.gl?.clear(BACKGROUND); }

  // What is on the screen: the exposure of the room, or the one that it blinks with.
  seen() { return this.other ?? this; }

  // ---- pixels

  // The packet of the enlarged CCD. null if it is not here yet, or if the sky view (made from previews) is shown.
  shown(seen = this.seen()) {
    const packet = this.opened && seen.opened?.packet;
    return packet && !STRETCHES[this.options.stretch].blocks ? packet : seen.picture;
  }

  how(header, seen = this.seen()) {
    const { stretch, scaleMode, invert, limits } = this.options;
    const orientation = place.orientationMatrix(seen.geometry.orientation);
    return { ...howToDraw(stretch, header, { scaleMode, invert, limits, orientation, relax: this.relax(seen) }) };
  }

  // The mean of n x n full-resolution pixels has n times less noise. The limits shrink by the same factor, down to the noise
  // of the preview, so that a faint feature looks the same before and after its CCD is enlarged.
  relax(seen = this.seen()) {
    if (!this.opened || this.shown(seen) !== seen.opened?.packet) return 1;
    const averaged = Math.max(1, 1 / this.view.scale);
    return Math.max(1 / averaged, Math.min(1, seen.picture.header.sigma / seen.opened.packet.header.sigma));
  }

  // A text with everything that determines the look of a frame.
  look(view) {
    const { stretch, scaleMode, invert, limits } = this.options;
    return JSON.stringify([this.width, this.height, view, stretch, scaleMode, invert, limits ?? null, this.pictures.version]);
  }

  drawMosaic(seen) {
    const look = this.look(this.view);
    if (this.ahead.paint(seen.expnum, look)) return;
    const job = { ...this.jobOf(seen.expnum, seen.picture, seen.ccds, seen.geometry), view: this.view };
    const still = performance.now() - (this.moved ?? -GESTURE) > GESTURE;
    if (still) this.ahead.drawNow(seen.expnum, look, job);
    else {
      this.clear();
      this.gl.draw(job.key, job.tiles, job.view, job.how);
    }
    this.drawAhead();
  }

  // The frames that may be needed next: the one to blink with and the way back, then the next exposures.
  drawAhead() {
    const blinked = this.other || this.blinked.length ? [this.expnum, this.blinked.at(-1)] : [];
    this.ahead.want([...blinked.filter(Boolean), ...this.next.slice(0, 3)]);
  }

  // What FramesAhead needs to draw an exposure that is in memory already.
  job(expnum) {
    const now = [this, this.other].find(one => one?.expnum === expnum && one.picture);
    if (this.opened && now) return null;
    const picture = now?.picture ?? this.pictures.peek(expnum);
    if (!picture) return null;
    const ccds = now?.ccds ?? place.placed(picture);
    const here = now || this.blinked.at(-1) === expnum;
    const view = here ? this.view : this.fittedTo(place.wholeOf(picture.geometry, ccds), this.options.insets);
    return { ...this.jobOf(expnum, picture, ccds, picture.geometry), view, look: this.look(view) };
  }

  jobOf(expnum, picture, ccds, geometry) {
    const { stretch, scaleMode, invert, limits } = this.options;
    const orientation = place.orientationMatrix(geometry.orientation);
    const how = howToDraw(stretch, picture.header, { scaleMode, invert, limits, orientation });
    return { how, ...this.tilesOf(`${expnum}`, picture, how, ccds) };
  }

  // CCDs as MosaicGL.draw takes them, and the texture that holds their pixels.
  tilesOf(key, { header, pixels, blocks }, how, tiles) {
    const scale = how.blocks ? header.blocks : header;
    const name = this.texture(how.blocks ? `${key} blocks` : key, how.blocks ? blocks : pixels, { layers: header.layers, ...scale });
    return {
      key: name,
      tiles: tiles.map(tile => ({
        rect: tile.rect, layer: tile.layer,
        columns: how.blocks ? tile.bx : tile.nx, rows: how.blocks ? tile.by : tile.ny,
        sky: ((how.blocks ? tile.block_sky ?? tile.sky : tile.sky) - scale.zero) / scale.step, sigma: tile.sigma / scale.step,
      })),
    };
  }

  drawCcd(seen) {
    this.clear();
    if (!seen.opened) return;
    const { ccd, packet } = seen.opened;
    const { rect } = this.opened;
    const picture = this.shown(seen);
    const how = this.how(picture.header, seen);
    if (picture !== packet) return this.drawTiles(`${seen.expnum}`, picture, how, [{ ...ccd, rect }]);
    const key = `${seen.expnum}-${ccd.ccdname}`;
    const tile = { ...packet.header.ccds[0], layer: 0, rect };
    if (this.view.scale > 1 / QUARTER_FROM) return this.drawTiles(key, picture, how, [tile]);
    // When the picture is much reduced, the quarter gives the same mean from a sixteenth of the texels.
    const { codes, columns, rows, across, down } = packet.quarter;
    const header = { ...packet.header, columns: across, rows: down };
    this.drawTiles(`${key} quarter`, { header, pixels: codes }, how, [{ ...tile, nx: columns, ny: rows }]);
  }

  drawTiles(key, picture, how, ccds) {
    const { key: name, tiles } = this.tilesOf(key, picture, how, ccds);
    this.gl.draw(name, tiles, this.view, how);
  }

  texture(key, codes, { columns, rows, layers }) {
    if (!this.gl.has(key)) this.gl.upload(key, codes, columns, rows, layers);
    return key;
  }

  // ---- marks

  drawScene() {
    if (this.asked) cancelAnimationFrame(this.asked);
    this.asked = 0;
    if (this.destroyed) return;
    const seen = this.seen();
    const own = !this.other;
    const scene = {
      view: this.view, geometry: seen.geometry, ccds: seen.ccds, missing: seen.picture?.header.missing ?? {},
      overlay: own ? this.overlay : null, names: this.options.names, ticked: own ? this.ticked : new Set(),
      focus: own ? this.focus : '', hover: this.hover, cursor: own ? this.keyed : '', accent: this.options.accent,
      ratio: this.ratio, loading: !seen.picture, few: place.isPart(seen.geometry, seen.ccds), verdict: own ? this.verdict : null,
    };
    const context = this.furniture.marks.getContext('2d');
    if (this.opened) drawCcdMarks(context, scene, this.opened.rect);
    else drawMarks(context, scene);
    this.furniture.update(this);
  }

  // ---- view

  world() {
    if (this.opened) return this.opened.rect;
    return this.geometry ? place.wholeOf(this.geometry, this.ccds) : [0, 0, 1, 1];
  }

  fittedTo(rect, insets) { return place.fit(rect, this.width, this.height, insets.map(side => side * this.ratio)); }

  fitted() { return this.fittedTo(this.world(), this.opened ? CCD_INSETS : this.options.insets); }

  frame() { if (this.fits) this.view = this.fitted(); }

  fit() { this.fits = true; this.frame(); this.changed('view'); }

  zoomBy(factor, px = this.width / 2, py = this.height / 2) {
    const least = this.fitted().scale;
    /** @type {[number, number]} */
    const range = [least, Math.max(least, this.opened ? 24 * this.ratio : 2 * this.ratio)];
    this.view = place.zoomed(this.view, factor, px, py, this.width, this.height, range);
    this.fits = this.view.scale <= least * 1.0001;
    this.view = place.kept(this.view, this.world());
    this.frame();
    this.moved = performance.now();
    this.changed('view');
  }

  panBy(dx, dy) {
    this.fits = false;
    this.view = place.kept({ ...this.view, x: this.view.x - dx / this.view.scale, y: this.view.y - dy / this.view.scale }, this.world());
    this.moved = performance.now();
    this.requestDraw();
  }
}
