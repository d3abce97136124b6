// @ts-check
// The mask overlay: what the survey's data-quality mask says of the pixels, and where nothing was recorded at all.
//
// The mask is fetched when it is first wanted. Its header brings the classes with their colours; those that do not occur
// are left out of the legend. Where there is no mask the legend says so, and what recorded nothing is hatched all the same.

import { orientationMatrix } from './mosaic_view.js';

const KEPT = 6;

export class Masks {
  constructor(mosaic) {
    this.mosaic = mosaic;
    this.on = false;
    this.kept = new Map();     // key -> {packet} | {problem} | {}: still on its way
  }

  set(on) {
    this.on = Boolean(on);
    this.mosaic.requestDraw();
  }

  forget() { this.kept.clear(); }

  keyOf(seen) {
    const full = this.mosaic.opened && this.mosaic.shown(seen) === seen.opened?.packet;
    return full ? `${seen.expnum}-${seen.opened.ccd.ccdname}` : `${seen.expnum}`;
  }

  // The mask of what is on the screen; asks for it if it is not here.
  of(seen) {
    const key = this.keyOf(seen);
    if (this.kept.has(key)) return this.kept.get(key);
    const found = {};
    this.kept.set(key, found);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    const { pictures } = this.mosaic;
    const asked = key.includes('-') ? pictures.ccdMask(seen.opened.ccd.image_id) : pictures.mask(seen.expnum);
    asked.then(packet => { found.packet = packet; }, error => { found.problem = error.message; if (error.again) this.kept.delete(key); })
      .finally(() => this.mosaic.requestDraw());
    return found;
  }

  // Asks ahead of time, where masks are wanted at all.
  ahead(expnum) {
    if (this.on && !this.kept.has(`${expnum}`)) this.of({ expnum, opened: null, picture: null });
  }

  draw(mosaic, seen) {
    if (!this.on) return mosaic.furniture.legend(null);
    const { packet, problem } = this.of(seen);
    this.paint(mosaic, seen, packet);
    mosaic.furniture.legend({ classes: packet?.header.classes ?? [], line: this.line(packet, problem) });
  }

  line(packet, problem) {
    if (problem) return `no mask: ${problem}`;
    return packet ? packet.header.note : 'the mask is being read';
  }

  paint(mosaic, seen, packet) {
    const opened = mosaic.opened;
    if (opened && !seen.opened) return;
    const full = opened && mosaic.shown(seen) === seen.opened.packet;
    const picture = full ? seen.opened.packet : seen.picture;
    const tiles = full ? [{ ...picture.header.ccds[0], layer: 0, rect: opened.rect }]
      : opened ? [{ ...seen.opened.ccd, rect: opened.rect }] : seen.ccds;
    const key = full ? `${seen.expnum}-${seen.opened.ccd.ccdname}` : `${seen.expnum}`;
    const { header } = picture;
    const mask = packet?.mask?.length === picture.pixels.length ? mosaic.texture(`${key} mask`, packet.mask, header) : null;
    const classes = (packet?.header.classes ?? []).filter(one => one.bit !== null);
    const colours = Array.from({ length: 10 }, (_, bit) => {
      const found = classes.find(one => one.bit === bit);
      return found ? [...light(found.colour), 1] : [0, 0, 0, 0];
    });
    const nothing = (packet?.header.classes ?? []).find(one => one.bit === null);
    mosaic.maskGL.draw({
      pixels: mosaic.texture(key, picture.pixels, header), mask, view: mosaic.view, orientation: orientationMatrix(seen.geometry.orientation),
      tiles: tiles.map(tile => ({ rect: tile.rect, layer: tile.layer, columns: tile.nx, rows: tile.ny, sky: 0, sigma: 1 })),
      classes: colours, nothing: nothing ? [...light(nothing.colour), 1] : [0.6, 0.6, 0.6, 1],
    });
  }

  // Labels of the classes at a texel of the picture on the screen.
  labelsAt(seen, index) {
    const packet = this.on ? this.kept.get(this.keyOf(seen))?.packet : null;
    const bits = packet?.mask?.[index] ?? 0;
    return (packet?.header.classes ?? []).filter(one => one.bit !== null && bits & (1 << one.bit)).map(one => one.label);
  }

  // For the record of a vote.
  screen() {
    if (!this.on) return [];
    const found = this.kept.get(this.keyOf(this.mosaic.seen()))?.packet;
    return found?.mask?.length ? ['data_quality', 'nothing_recorded'] : ['nothing_recorded'];
  }
}

function light(colour) { return [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16) / 255); }
