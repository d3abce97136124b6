// @ts-check
// Turns pointer, wheel and keys on the map's surface into actions. It knows nothing of points or of the server.

import { composing, listen as listenToKeys, meantKey } from '../frame/keys.js';

const CLICK_PX = 4;       // less movement than this is a click
const STEP_PX = 60;       // arrow keys

// acts: pan(dx, dy) rotate(dx, dy) zoom(factor, x, y) click(x, y, how) lasso(polygon, how) box(corners, how)
//       hover(x, y) | hover(null) outline(kind, points) tool(name) dims(n) labels() reset() clear() pickCentre(how)
export function listen(surface, state, acts) {
  const stop = new AbortController();
  const on = (type, act, options = {}) => surface.addEventListener(type, act, { ...options, signal: stop.signal });
  let drag = null;
  let space = false;

  on('pointerdown', event => {
    if (event.button > 2) return;
    surface.focus({ preventScroll: true });
    surface.setPointerCapture(event.pointerId);
    event.preventDefault();
    const [x, y] = placeOf(surface, event);
    drag = { x, y, last: [x, y], points: [[x, y]], moved: false, kind: kindOf(event, state, space) };
    acts.hover(null);
  });

  on('pointermove', event => {
    const [x, y] = placeOf(surface, event);
    if (!drag) { acts.hover(x, y); return; }
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < CLICK_PX) return;
    drag.moved = true;
    surface.dataset.dragging = drag.kind;
    const [dx, dy] = [x - drag.last[0], y - drag.last[1]];
    drag.last = [x, y];
    if (drag.kind === 'pan') acts.pan(dx, dy);
    else if (drag.kind === 'rotate') acts.rotate(dx, dy);
    else if (drag.kind === 'lasso') {
      for (const moment of event.getCoalescedEvents?.() || []) addVertex(drag.points, placeOf(surface, moment));
      addVertex(drag.points, [x, y]);
      acts.outline('lasso', drag.points);
    } else acts.outline('box', [[drag.x, drag.y], [x, y]]);
  });

  on('pointerup', event => {
    if (!drag) return;
    const { kind, moved, points } = drag;
    const [x, y] = placeOf(surface, event);
    const start = [drag.x, drag.y];
    drag = null;
    delete surface.dataset.dragging;
    acts.outline(null);
    const how = howOf(event);
    if (!moved) { if (event.button === 0) acts.click(x, y, how); }
    else if (kind === 'lasso' && points.length > 2) acts.lasso(points, how);
    else if (kind === 'box') acts.box([start, [x, y]], how);
  });

  on('pointercancel', () => { drag = null; delete surface.dataset.dragging; acts.outline(null); });
  on('pointerleave', () => { if (!drag) acts.hover(null); });
  on('contextmenu', event => event.preventDefault());
  on('dblclick', event => { const [x, y] = placeOf(surface, event); acts.zoom(event.altKey ? 0.5 : 2, x, y); });

  on('wheel', event => {
    event.preventDefault();
    const [x, y] = placeOf(surface, event);
    const lines = event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 400 : 1;
    acts.zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * (event.ctrlKey ? 0.008 : 0.0022)), x, y);
  }, { passive: false });

  on('keydown', event => {
    if (event.key === ' ') { space = true; event.preventDefault(); return; }
    if (event.ctrlKey || event.metaKey || composing(event)) return;
    if (event.key === 'Escape' && drag) { drag = null; delete surface.dataset.dragging; acts.outline(null); return; }
    const meaning = meaningOf(event, state, acts);
    if (!meaning) return;
    event.preventDefault();
    event.stopPropagation();
    meaning();
  });
  on('keyup', event => { if (event.key === ' ') space = false; });
  on('blur', () => { space = false; });
  // Keys of the tools work anywhere in the room. Keys that other panels use too work only if the map has the focus.
  const stopKeys = listenToKeys((key, event) => {
    if (!surface.getClientRects().length || event.composedPath().includes(surface)) return false;
    const free = event.composedPath()[0] === document.body;
    const meaning = ANYWHERE.has(key) || (key === 'Escape' && free) ? meaningOf(event, state, acts) : null;
    if (meaning) meaning();
    return Boolean(meaning);
  });
  return () => { stop.abort(); stopKeys(); };
}

const ANYWHERE = new Set(['2', '3', 'p', 'l', 'b', 't', '0']);

function meaningOf(event, state, acts) {
  const centre = factor => () => acts.zoom(factor, state.camera.width / 2, state.camera.height / 2);
  const move = (dx, dy) => () => (state.camera.dims === 3 && !event.shiftKey ? acts.rotate(dx, dy) : acts.pan(dx, dy));
  const solid = state.camera.dims === 3 ? -1 : 1;
  switch (meantKey(event)) {
    case '2': return event.repeat ? null : () => acts.dims(2);
    case '3': return event.repeat ? null : () => acts.dims(3);
    case 'p': return () => acts.tool('pan');
    case 'l': return () => acts.tool('lasso');
    case 'b': return () => acts.tool('box');
    case 't': return () => acts.labels();
    case '0': case 'Home': return () => acts.reset();
    case 'Escape': return () => acts.clear();
    case '.': return () => acts.walk(1);
    case ',': return () => acts.walk(-1);
    case 'Enter': return () => acts.pickCentre(howOf(event));
    case '+': case '=': return centre(1.5);
    case '-': return centre(1 / 1.5);
    case 'ArrowLeft': return move(STEP_PX * solid, 0);
    case 'ArrowRight': return move(-STEP_PX * solid, 0);
    case 'ArrowUp': return move(0, STEP_PX * solid);
    case 'ArrowDown': return move(0, -STEP_PX * solid);
    default: return null;
  }
}

function kindOf(event, state, space) {
  if (event.button === 1 || space) return 'pan';
  if (event.button === 2) return state.camera.dims === 3 && state.tool !== 'pan' ? 'rotate' : 'pan';
  if (state.tool !== 'pan') return state.tool;
  if (event.shiftKey) return 'lasso';
  return state.camera.dims === 3 && !event.ctrlKey ? 'rotate' : 'pan';
}

export function howOf(event) {
  return event.shiftKey ? 'add' : event.altKey || event.ctrlKey ? 'subtract' : 'replace';
}

function addVertex(points, [x, y]) {
  const [lastX, lastY] = points[points.length - 1];
  if (Math.hypot(x - lastX, y - lastY) >= 2) points.push([x, y]);
}

/** @returns {[number, number]} */
function placeOf(surface, event) {
  const frame = surface.getBoundingClientRect();
  return [event.clientX - frame.left, event.clientY - frame.top];
}
