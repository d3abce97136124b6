// @ts-check
// Named stretches, the same as in pipeline/pixels/images.py, and the tables that turn a shade into a colour.
//
// Limits are in sky sigmas from the sky. The server may give others for an exposure (header.stretches); these are defaults.

export const STRETCHES = {
  faint: { low: -3, high: 5, softening: 0, ownSky: true, colours: 'grey', title: 'faint sky' },
  stars: { low: -3, high: 200, softening: 1.5, ownSky: false, colours: 'grey', title: 'stars' },
  sky: { low: -5, high: 5, softening: 0, ownSky: true, colours: 'diverging', blocks: true, title: 'sky map' },
};

// Blue below the sky, dark in the middle, red above; the colours differ in every kind of colour vision. Inverted it is
// matplotlib's `seismic`, with white in the middle, as in the surveys' postage stamps.
const DIVERGING = [[158, 209, 255], [74, 138, 205], [38, 66, 104], [18, 18, 20], [112, 48, 32], [214, 104, 64], [255, 205, 170]];
const DIVERGING_LIGHT = [[0, 0, 77], [0, 0, 255], [255, 255, 255], [255, 0, 0], [128, 0, 0]];
const GREY = [[0, 0, 0], [255, 255, 255]];

export const BACKGROUND = [10 / 255, 10 / 255, 10 / 255];
export const BLANK = [22 / 255, 23 / 255, 25 / 255];

function table(stops) {
  const bytes = new Uint8Array(256 * 4);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) bytes[4 * i + c] = Math.round(stops[k][c] + (at - k) * (stops[k + 1][c] - stops[k][c]));
    bytes[4 * i + 3] = 255;
  }
  return bytes;
}

export const COLOURS = { grey: table(GREY), diverging: table(DIVERGING), diverging_light: table(DIVERGING_LIGHT) };

// The limits and colours of a stretch for one picture, as MosaicGL.draw takes them (sky and sigma in codes).
// relax : factor on the limits (Mosaic.relax).
export function howToDraw(name, header, { scaleMode, invert, limits, orientation, relax = 1 }) {
  const stretch = { ...STRETCHES[name], ...(header.stretches?.[name] ?? {}) };
  const diverging = stretch.colours === 'diverging';
  const colourName = diverging && invert ? 'diverging_light' : stretch.colours;
  const scale = stretch.blocks ? header.blocks : header;
  const one = scaleMode === 'ccd';
  return {
    ...stretch,
    low: (limits?.[0] ?? stretch.low) * relax,
    high: (limits?.[1] ?? stretch.high) * relax,
    softening: stretch.softening * relax,
    sky: (header.sky - scale.zero) / scale.step,
    sigma: header.sigma / scale.step,
    ownSky: stretch.ownSky || one,
    ownSigma: one && !stretch.blocks,
    invert: invert && !diverging,
    colourName,
    colours: COLOURS[colourName],
    orientation,
    blank: BLANK,
  };
}
