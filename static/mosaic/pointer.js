// @ts-check
// Mouse, pen and keyboard on the mosaic: a drag pans, the wheel zooms at the cursor, a click picks, Shift and drag ticks.

import { meantKey } from '../frame/keys.js';

const STILL = 4;    // CSS pixels that the pointer may move during a click
const SETTLE = 600; // ms: if the first half of a double click enlarged a CCD, the second half does not close it

export function listenTo(mosaic) {
  const { root } = mosaic;
  const stop = new AbortController();
  const on = (name, listener, more = {}) => root.addEventListener(name, listener, { signal: stop.signal, ...more });
  const local = event => {
    const bounds = root.getBoundingClientRect();
    return [(event.clientX - bounds.left) * mosaic.ratio, (event.clientY - bounds.top) * mosaic.ratio];
  };
  let press = null;
  let dragged = true;
  let byPointer = false;

  on('pointerdown', event => {
    if (event.button !== 0 || event.composedPath().some(node => node.dataset?.noPick !== undefined)) return;
    const sweeping = event.shiftKey && mosaic.options.ticking;
    press = { x: event.clientX, y: event.clientY, lastX: event.clientX, lastY: event.clientY, dragged: false, sweeping, swept: new Set() };
    root.setPointerCapture(event.pointerId);
    byPointer = true;
    root.focus({ preventScroll: true });
    byPointer = false;
    keyboard(false);
  });
  // There is a keyboard cursor only if the focus came by the keyboard. After a click the arrows keep their use in the room.
  const keyboard = on => {
    mosaic.byKeyboard = on;
    if (!on && mosaic.keyed) mosaic.setCursor('');
    else if (on && !mosaic.keyed) mosaic.step('ArrowRight');
  };
  on('focus', () => { if (!byPointer) keyboard(true); });
  on('blur', () => keyboard(false));
  on('pointermove', event => {
    mosaic.cursor = local(event);
    if (press) {
      press.dragged ||= Math.hypot(event.clientX - press.x, event.clientY - press.y) > STILL;
      if (press.dragged && press.sweeping) {
        if (!press.swept.size) mosaic.sweep(...local({ clientX: press.x, clientY: press.y }), press);
        mosaic.sweep(...local(event), press);
      } else if (press.dragged) mosaic.panBy((event.clientX - press.lastX) * mosaic.ratio, (event.clientY - press.lastY) * mosaic.ratio);
      root.classList.toggle('dragging', press.dragged && !press.sweeping);
      press.lastX = event.clientX;
      press.lastY = event.clientY;
    }
    hover(mosaic);
  });
  on('pointerup', () => {
    root.classList.remove('dragging');
    dragged = press?.dragged ?? true;
    press = null;
  });
  on('click', event => {   // the second click of a double click picks nothing
    if (!dragged && event.detail < 2) mosaic.picked(mosaic.probe(...local(event)), event);
    dragged = true;
  });
  on('pointercancel', () => { press = null; root.classList.remove('dragging'); });
  on('pointerleave', () => { mosaic.cursor = null; hover(mosaic); });
  on('dblclick', event => {
    if (event.composedPath().some(node => node.dataset?.noPick !== undefined)) return;
    if (!mosaic.fits) return mosaic.fit();
    if (mosaic.opened) return performance.now() - mosaic.opened.at > SETTLE ? mosaic.closeCcd() : undefined;
    const probe = mosaic.probe(...local(event));
    if (probe) mosaic.openCcd(probe.ccd.ccdname);
  });
  on('wheel', event => {
    if (!mosaic.options.wheel || !mosaic.geometry || event.composedPath().some(node => node.dataset?.noPick !== undefined)) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    mosaic.zoomBy(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * 0.0022), ...local(event));
    hover(mosaic);
  }, { passive: false });
  on('keydown', event => {
    if (!mosaic.options.keys || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      Home: () => mosaic.fit(), '+': () => mosaic.zoomBy(1.5), '=': () => mosaic.zoomBy(1.5), '-': () => mosaic.zoomBy(1 / 1.5),
      Escape: () => (mosaic.other ? mosaic.blink(null) : mosaic.fits ? mosaic.closeCcd() : mosaic.fit()),
    }[meantKey(event)];
    if (act) act();
    else if (!mosaic.cursorKey(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  return () => stop.abort();
}

// The CCD under the pointer, and the text of its tag.
export function hover(mosaic) {
  const probe = mosaic.cursor ? mosaic.probe(...mosaic.cursor) : null;
  const name = probe?.ccd.ccdname ?? '';
  if (name !== mosaic.hover) {
    mosaic.hover = name;
    mosaic.requestMarks();
  }
  mosaic.furniture.tag(mosaic, probe);
}
