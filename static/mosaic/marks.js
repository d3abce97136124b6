// @ts-check
// Marks over the pixels: empty slots, names, probabilities, ticks, and the frames of focus and cursor.

import { toScreen } from './view.js';

const MONO = 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
const MISSING_TEXT = { dead: 'dead', absent: 'absent', half: 'half dead', blank: 'blank', '': 'no image' };

// scene : {view, geometry, ccds, missing, overlay, names, ticked, focus, hover, cursor, verdict, accent, ratio}; sizes in
// screen pixels. cursor : the CCD of the keyboard cursor.
export function drawMarks(context, scene) {
  const { width, height } = context.canvas;
  context.clearRect(0, 0, width, height);
  if (!scene.geometry) return;
  /** @type {(rect: any[]) => Rect} */
  const box = rect => {
    const [x, y] = toScreen(scene.view, rect[0], rect[1], width, height);
    return [x, y, rect[2] * scene.view.scale, rect[3] * scene.view.scale];
  };
  const seen = ([x, y, w, h]) => x < width && y < height && x + w > 0 && y + h > 0;
  const here = new Set(scene.ccds.map(ccd => ccd.ccdname));
  for (const slot of scene.few && scene.ccds.length < 3 ? [] : scene.geometry.ccds) {
    const place = box([slot.x0, slot.y0, slot.width, slot.height]);
    if (!here.has(slot.ccdname) && seen(place)) missingSlot(context, place, slot.ccdname, scene);
  }
  for (const ccd of scene.ccds) {
    const place = box(ccd.rect);
    if (seen(place)) ccdMarks(context, place, ccd, scene);
  }
  for (const [ccdname, colour, thick] of [[scene.hover, 'rgba(230,237,243,0.45)', 1], [scene.focus, '#ffffff', 2]]) {
    const ccd = scene.ccds.find(one => one.ccdname === ccdname);
    if (ccd) frame(context, box(ccd.rect), colour, thick * scene.ratio, thick * scene.ratio);
  }
  const keyed = scene.ccds.find(one => one.ccdname === scene.cursor);
  if (keyed) cursorFrame(context, box(keyed.rect), scene);
}

// Dashes on black, which are visible over any pixels and differ from the other frames.
function cursorFrame(context, place, { ratio }) {
  frame(context, place, '#0a0a0a', 6 * ratio, 5 * ratio);
  context.save();
  context.setLineDash([9 * ratio, 4 * ratio]);
  frame(context, place, '#ffffff', 3 * ratio, 3 * ratio);
  context.restore();
}

// An enlarged CCD has only the frame of its edge.
export function drawCcdMarks(context, scene, rect) {
  const { width, height } = context.canvas;
  context.clearRect(0, 0, width, height);
  const [x, y] = toScreen(scene.view, rect[0], rect[1], width, height);
  frame(context, [x, y, rect[2] * scene.view.scale, rect[3] * scene.view.scale], '#30363d', scene.ratio, scene.ratio);
}

function frame(context, [x, y, w, h], colour, thick, outside = 0) {
  context.strokeStyle = colour;
  context.lineWidth = thick;
  const grow = outside - thick / 2;
  context.strokeRect(x - grow, y - grow, w + 2 * grow, h + 2 * grow);
}

function missingSlot(context, place, ccdname, { missing, ratio, loading, few }) {
  context.save();
  context.setLineDash([3 * ratio, 3 * ratio]);
  frame(context, place, loading || few ? '#1c2026' : '#2b3138', ratio);
  context.restore();
  if (!loading && !few) reasonText(context, place, ccdname, MISSING_TEXT[missing[ccdname] ?? ''], ratio);
}

function reasonText(context, place, ccdname, reason, ratio) {
  if (place[2] < 44 * ratio) return;
  text(context, place[0] + place[2] / 2, place[1] + place[3] / 2, [`${ccdname} ${reason}`], {
    colour: '#8b949e', ratio, centre: true, room: place[2], backed: false,
  });
}

function ccdMarks(context, place, ccd, { missing, overlay, names, ticked, ratio, accent }) {
  const mark = overlay?.[ccd.ccdname];
  if (mark?.colour) frame(context, place, mark.colour, 1.25 * ratio);
  if (ccd.ccdname in missing) {
    reasonText(context, place, ccd.ccdname, MISSING_TEXT[missing[ccd.ccdname] || 'blank'], ratio);
    return;
  }
  const words = [];
  if (names || mark) words.push(ccd.ccdname);
  if (mark) words.push(mark.label || (mark.value === undefined || mark.value === null ? '' : Number(mark.value).toFixed(2)));
  if (words.length) text(context, place[0], place[1], words.filter(Boolean), { colour: '#e6edf3', ratio, room: place[2] });
  if (ticked.has(ccd.ccdname)) tick(context, place, accent, ratio);
}

// Words in the upper left corner (or the middle), fewer if there is not enough room.
function text(context, x, y, words, { colour, ratio, room, centre = false, backed = true }) {
  const size = Math.max(9, Math.min(12, room / ratio / 11)) * ratio;
  context.font = `${size}px ${MONO}`;
  context.textBaseline = centre ? 'middle' : 'top';
  context.textAlign = centre ? 'center' : 'left';
  let line = words.join(' ');
  if (context.measureText(line).width > room - 4 * ratio) line = words[0];
  const wide = context.measureText(line).width;
  if (wide > room - 2 * ratio) return;
  if (backed) {
    context.fillStyle = 'rgba(10,10,10,0.62)';
    context.fillRect(x + ratio, y + ratio, wide + 5 * ratio, size + 3 * ratio);
  }
  context.fillStyle = colour;
  context.fillText(line, centre ? x : x + 3 * ratio, centre ? y : y + 2.5 * ratio);
}

function tick(context, place, accent, ratio) {
  frame(context, place, accent, 2 * ratio);
  const size = Math.min(16 * ratio, place[3] * 0.5);
  const [x, y] = [place[0] + place[2] - size, place[1]];
  context.fillStyle = accent;
  context.fillRect(x, y, size, size);
  context.strokeStyle = '#0a0a0a';
  context.lineWidth = Math.max(1, size / 7);
  context.beginPath();
  context.moveTo(x + size * 0.22, y + size * 0.52);
  context.lineTo(x + size * 0.43, y + size * 0.73);
  context.lineTo(x + size * 0.79, y + size * 0.28);
  context.stroke();
}
