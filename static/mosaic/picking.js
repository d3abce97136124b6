// @ts-check
// Finds the CCD under the pointer or the keyboard cursor, and keeps ticks: by click, by Shift and drag, by row, all or none.

import { MosaicDrawing } from './drawing.js';
import { STRETCHES } from './stretch.js';
import * as place from './view.js';

export class MosaicPicking extends MosaicDrawing {
  // CCD, canvas point and pixel under a point of the panel (screen pixels), of the picture on the screen.
  probe(px, py) {
    const seen = this.seen();
    if (!seen.picture) return null;
    const [x, y] = place.toCanvas(this.view, px, py, this.width, this.height);
    const inOpened = this.opened && seen.opened && place.under([this.opened], x, y) ? seen.opened.ccd : null;
    const ccd = this.opened ? inOpened : place.under(seen.ccds, x, y);
    if (!ccd) return null;
    const rect = this.opened ? this.opened.rect : ccd.rect;
    const [column, row] = place.pixelAt(seen.geometry, rect, ccd.columns, ccd.rows, x, y);
    return { ccd, column, row, ...this.valueAt(seen, ccd, rect, x, y) };
  }

  // Value under the cursor: of the full-resolution pixel if it is here, or else of the preview.
  valueAt(seen, ccd, rect, x, y) {
    const packet = this.opened ? seen.opened?.packet : null;
    const { header, pixels } = packet ?? seen.picture;
    const tile = packet ? { ...header.ccds[0], layer: 0 } : ccd;
    const [column, row] = place.pixelAt(seen.geometry, rect, tile.nx, tile.ny, x, y);
    const index = (tile.layer * header.rows + row) * header.columns + column;
    const masked = this.masks.labelsAt(seen, index);
    const code = pixels[index];
    if (!code) return { value: null, sigmas: null, unit: header.unit, masked };
    const value = header.zero + header.step * code;
    const sky = this.options.scaleMode === 'ccd' || STRETCHES[this.options.stretch].ownSky ? tile.sky : header.sky;
    return { value, sigmas: (value - sky) / (this.options.scaleMode === 'ccd' ? tile.sigma : header.sigma), unit: header.unit, masked };
  }

  // ---- the keyboard cursor

  // Moves the keyboard cursor to the next CCD in a direction ('ArrowLeft', ...). The first key takes the middle CCD.
  step(direction) {
    if (this.opened || this.other || !this.ccds.length) return '';
    const name = place.neighbour(this.ccds, this.keyed, direction);
    this.setCursor(name);
    return name;
  }

  setCursor(ccdname) {
    this.keyed = ccdname;
    this.requestMarks();
    this.furniture.say(this, ccdname);
  }

  // The CCD that a key acts on: that of the keyboard cursor if there is one, or else the one under the pointer.
  pointed() { return (this.byKeyboard && this.keyed) || this.hover; }

  // Arrows, Enter and Home, if the focus came here by the keyboard. Returns whether the key was used.
  cursorKey(key) {
    if (!this.byKeyboard) return false;
    if (key.startsWith('Arrow')) {
      if (this.opened || !this.fits) this.panBy(...place.PAN[key].map(side => side * 80 * this.ratio));
      else this.step(key);
      return true;
    }
    if (key === 'Enter' && !this.opened && this.keyed) { this.openCcd(this.keyed); return true; }
    if (key === 'Home') { this.fit(); return true; }
    return false;
  }

  // ---- ticks

  ccdnames() { return this.ccds.map(ccd => ccd.ccdname); }

  // All CCDs in the same row of the focal plane.
  rowOf(ccdname) {
    const row = this.ccds.find(ccd => ccd.ccdname === ccdname)?.slot.row;
    return this.ccds.filter(ccd => ccd.slot.row === row).map(ccd => ccd.ccdname);
  }

  // Shift and drag: every CCD that the pointer passes is ticked or unticked like the first one.
  sweep(px, py, press) {
    if (this.opened || this.other) return;
    const name = place.under(this.ccds, ...place.toCanvas(this.view, px, py, this.width, this.height))?.ccdname;
    if (!name || press.swept.has(name)) return;
    press.ticks ??= !this.ticked.has(name);
    press.swept.add(name);
    for (const listener of this.listeners.tick) listener({ ccdnames: [name], on: press.ticks });
  }

  // ---- listeners

  onPick(listener) { return this.listen('pick', listener); }
  onTick(listener) { return this.listen('tick', listener); }
  onChange(listener) { return this.listen('change', listener); }
  listen(kind, listener) {
    this.listeners[kind].add(listener);
    return () => this.listeners[kind].delete(listener);
  }
  tell(kind) { for (const listener of this.listeners.change) listener({ kind, ...this.screen() }); }
  picked(probe, event) {
    if (this.other) return;
    const { shiftKey, ctrlKey, altKey } = event;
    const detail = {
      expnum: this.expnum, ccdname: probe?.ccd.ccdname ?? '', imageId: probe?.ccd.image_id ?? null,
      column: probe?.column ?? null, row: probe?.row ?? null, shiftKey, ctrlKey, altKey,
    };
    for (const listener of this.listeners.pick) listener(detail);
  }
}
