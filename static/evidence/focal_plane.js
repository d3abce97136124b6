// @ts-check
// A small map of the focal plane with the model's opinion of each CCD. Hue and letter show the likeliest reason, the
// strength of the colour how likely the CCD is bad. A click enlarges the CCD. The caption tells about the CCD under the cursor.

import { escapeText } from '../basics/text.js';

export const LIKELY_BAD = 0.5; // the probability above which a CCD counts as more likely bad than good
const DRIVERS = 4;
const asked = new Map();

// Promise of the slots of a camera: {canvas: [width, height], ccds: [{ccdname, x0, y0, width, height}]}, or of null.
export function slotsOf(camera, version) {
  if (!asked.has(camera)) {
    const found = fetch(`picture/geometry/${encodeURIComponent(camera)}.json?v=${version}`).then(answer => (answer.ok ? answer.json() : null)).catch(() => null);
    found.then(slots => { if (!slots) asked.delete(camera); });
    asked.set(camera, found);
  }
  return asked.get(camera);
}

// model : of /api/exposure; colours, letters : by reason
export function planeSvg(slots, model, { colours, letters }) {
  const [width, height] = slots.canvas;
  const line = width / 260;
  const slot = ({ ccdname, x0, y0, width: w, height: h }) => {
    const ccd = model.ccds[ccdname];
    const place = `x="${x0}" y="${y0}" width="${w}" height="${h}"`;
    if (!ccd) return `<rect ${place} class="none" stroke-width="${line}"/>`;
    const letter = ccd.p_bad > LIKELY_BAD ? letters[ccd.bad_reason] : '';
    return `<g data-ccd="${escapeText(ccdname)}"><rect ${place} class="${ccd.sampled ? 'sampled' : ''}" stroke-width="${line}" fill="${colours[ccd.bad_reason] || 'currentColor'}"
      fill-opacity="${(0.08 + 0.92 * ccd.p_bad).toFixed(2)}"/>${letter ? `<text x="${x0 + w / 2}" y="${y0 + h * 0.73}" font-size="${h * 0.66}">${escapeText(letter)}</text>` : ''}</g>`;
  };
  const n = Object.values(model.ccds).filter(ccd => ccd.p_bad > LIKELY_BAD).length;
  return `<svg viewBox="${-line} ${-line} ${width + 2 * line} ${height + 2 * line}" role="img" aria-label="Focal plane: ${n} of ${Object.keys(model.ccds).length} CCDs more likely bad than good">${slots.ccds.map(slot).join('')}</svg>`;
}

// The worst CCDs, worst first: those above the cut of the rule if it counts CCDs, or else those that are likely bad.
export function drivers(model) {
  const cut = model.asks && !model.asks.whole ? model.asks.above : LIKELY_BAD;
  const counted = Object.entries(model.ccds).filter(([, ccd]) => ccd.sampled || !model.asks || model.asks.whole);
  const sorted = (counted.length ? counted : Object.entries(model.ccds)).sort((a, b) => b[1].p_bad - a[1].p_bad);
  const above = sorted.filter(([, ccd]) => ccd.p_bad > cut);
  return (above.length ? above : sorted.slice(0, 1)).slice(0, DRIVERS).map(([ccdname, ccd]) => ({ ccdname, ...ccd }));
}
