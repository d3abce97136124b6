// @ts-check
// Geometry: slots and CCDs on the canvas, the part of it that the panel shows, and the CCD under a point.
//
// The canvas is the camera's focal plane on the sky (north up, east left) in full-resolution pixels.
// A view is {x, y, scale}: canvas point in the middle of the panel, screen pixels per canvas pixel.

const SAME_SHAPE = 0.15; // shapes that differ by less count as the same
const CUT = 0.06;         // a CCD that lacks less than this share of its length counts as whole

// mat3, column by column: (across, down, 1) on the sky in 0..1 -> (column, row, 1) of the array in 0..1.
export function orientationMatrix({ column, row }) {
  return new Float32Array([column[0], row[0], 0, column[1], row[1], 0, column[2], row[2], 1]);
}

export function transposed(geometry) { return geometry.orientation.column[0] === 0; }

// Size on the sky of an array of columns x rows.
export function skySize(geometry, columns, rows) { return transposed(geometry) ? [rows, columns] : [columns, rows]; }

// The CCDs of one exposure with their place on the canvas: header.ccds with slot and rect [x, y, width, height].
export function placed({ header, geometry }) {
  const slots = new Map(geometry.ccds.map(slot => [slot.ccdname, slot]));
  const ccds = header.ccds.filter(ccd => slots.has(ccd.ccdname));
  const sizes = ccds.map(ccd => skySize(geometry, ccd.columns, ccd.rows));
  const largest = [Math.max(...sizes.map(size => size[0])), Math.max(...sizes.map(size => size[1]))];
  return ccds.map((ccd, i) => {
    const slot = slots.get(ccd.ccdname);
    return { ...ccd, slot, rect: rectOf(slot, sizes[i], largest, geometry.canvas) };
  });
}

// A CCD with the shape of its slot fills the slot. A CCD that the edge of a picture cuts off is drawn at the scale of the
// others, towards the middle of the camera. A cut-out keeps its shape, in the middle of the slot.
function rectOf({ x0, y0, width, height }, [across, down], largest, canvas) {
  if (!alike(largest[0] / largest[1], width / height)) {
    const scale = Math.min(width / across, height / down);
    return [x0 + (width - across * scale) / 2, y0 + (height - down * scale) / 2, across * scale, down * scale];
  }
  const [x, wide] = along(x0, width, across / largest[0], canvas[0]);
  const [y, high] = along(y0, height, down / largest[1], canvas[1]);
  return [x, y, wide, high];
}

function along(start, length, share, whole) {
  if (share > 1 - CUT) return [start, length];
  return [start + length / 2 < whole / 2 ? start + length * (1 - share) : start, length * share];
}

function alike(one, other) { return Math.abs(one / other - 1) < SAME_SHAPE; }

// Whether an exposure has less than half of the camera's CCDs.
export function isPart(geometry, ccds) { return ccds.length > 0 && ccds.length < geometry?.ccds.length / 2; }

// The rectangle that "fit" shows: the whole camera, or only the CCDs if the exposure has less than half of them.
export function wholeOf(geometry, ccds) {
  const rects = isPart(geometry, ccds) ? ccds.map(ccd => ccd.rect) : geometry.ccds.map(slot => [slot.x0, slot.y0, slot.width, slot.height]);
  const left = Math.min(...rects.map(r => r[0])), top = Math.min(...rects.map(r => r[1]));
  const right = Math.max(...rects.map(r => r[0] + r[2])), bottom = Math.max(...rects.map(r => r[1] + r[3]));
  return [left, top, right - left, bottom - top];
}

// The view that shows a rectangle as large as the panel allows. insets : top, right, bottom, left, screen pixels.
export function fit([x, y, width, height], panelWidth, panelHeight, insets) {
  const [top, right, bottom, left] = insets;
  const scale = Math.max(1e-6, Math.min((panelWidth - left - right) / width, (panelHeight - top - bottom) / height));
  return { x: x + width / 2 - (left - right) / 2 / scale, y: y + height / 2 - (top - bottom) / 2 / scale, scale };
}

export function toCanvas(view, px, py, width, height) {
  return [view.x + (px - width / 2) / view.scale, view.y + (py - height / 2) / view.scale];
}

export function toScreen(view, x, y, width, height) {
  return [(x - view.x) * view.scale + width / 2, (y - view.y) * view.scale + height / 2];
}

// Zoom by a factor. The canvas point under (px, py) stays where it is.
export function zoomed(view, factor, px, py, width, height, [least, most]) {
  const scale = Math.min(most, Math.max(least, view.scale * factor));
  const [x, y] = toCanvas(view, px, py, width, height);
  return { x: x - (px - width / 2) / scale, y: y - (py - height / 2) / scale, scale };
}

// Keeps the middle of the panel on the rectangle.
export function kept(view, [x, y, width, height]) {
  return { ...view, x: Math.min(x + width, Math.max(x, view.x)), y: Math.min(y + height, Math.max(y, view.y)) };
}

export function under(ccds, x, y) {
  return ccds.find(({ rect }) => x >= rect[0] && x < rect[0] + rect[2] && y >= rect[1] && y < rect[1] + rect[3]);
}

// Array column and row (of an array of columns x rows) at a canvas point inside a CCD.
export function pixelAt(geometry, rect, columns, rows, x, y) {
  const a = (x - rect[0]) / rect[2], d = (y - rect[1]) / rect[3];
  const { column, row } = geometry.orientation;
  const at = (u, n) => Math.min(n - 1, Math.max(0, Math.floor((u[0] * a + u[1] * d + u[2]) * n)));
  return [at(column, columns), at(row, rows)];
}

// How far an arrow key moves the picture, in panel pixels, as panBy takes it.
export const PAN = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// Name of the next CCD in a direction: the nearest one that lies more in that direction than beside it. If there is none,
// the same CCD; if none is given, the most central one.
export function neighbour(ccds, ccdname, direction) {
  const middle = ({ rect }) => [rect[0] + rect[2] / 2, rect[1] + rect[3] / 2];
  const from = ccds.find(ccd => ccd.ccdname === ccdname);
  if (!from) {
    const all = ccds.map(middle);
    const centre = [0, 1].map(k => all.reduce((sum, at) => sum + at[k], 0) / all.length);
    const far = at => Math.hypot(at[0] - centre[0], at[1] - centre[1]);
    return ccds[all.map(far).reduce((best, d, i, d0) => (d < d0[best] ? i : best), 0)].ccdname;
  }
  const [x, y] = middle(from);
  const [right, down] = PAN[direction].map(side => -side);
  let best = ccdname, least = Infinity;
  for (const ccd of ccds) {
    const [dx, dy] = middle(ccd).map((value, k) => (value - (k ? y : x)) / from.rect[2 + k]);
    const along = dx * right + dy * down, across = Math.abs(dx * down + dy * right);
    if (along < 0.25 || across > along + 0.6) continue;
    const cost = along + 2 * across;
    if (cost < least) { least = cost; best = ccd.ccdname; }
  }
  return best;
}
