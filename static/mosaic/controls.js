// @ts-check
// The controls of a mosaic, the same in every room: a bar of keys, what they do, and the exposures to blink with.
//
//   const controls = new Controls(mosaic, bar, { stretch, onStretch, extra, candidates, onChange });
//   if (controls.key(key, event)) return true;
//   controls.exposure(expnum);      // the room shows another exposure
//
// extra : () -> [[key, text, value, act, title]], further buttons of the room
// candidates : () -> [{expnum, words}], further exposures to blink with
// onStretch(name), onChange() : called after every change. Nothing here is a vote.

import { LimitsPanel } from './limits.js';
import { STRETCHES } from './stretch.js';

const NAMES = Object.keys(STRETCHES);
const TITLES = {
  s: 'Next stretch: faint sky, stars, sky map', c: 'One scale for all CCDs, or one for each', v: 'Dark on light; the sky map white in the middle',
  n: 'Names of the CCDs, with their probability of being bad if you may know it', q: 'Data-quality mask, and pixels that recorded nothing',
  d: 'Blink with another exposure and back; hold to look, with Shift the next one', ';': 'Free limits',
};

export class Controls {
  constructor(mosaic, bar, options = {}) {
    this.mosaic = mosaic;
    this.bar = bar;
    this.options = options;
    this.names = false;
    this.buttons = new Map();
    this.found = [];
    this.expnum = null;
    this.used = false;
    this.limits = new LimitsPanel(mosaic, { onClose: () => this.draw() });
    this.stop = new AbortController();
    const { signal } = this.stop;
    bar.addEventListener('click', event => this.clicked(event), { signal });
    // A held key repeats. Time would not tell: on a busy computer a short press is long.
    window.addEventListener('keydown', event => { if (this.down && event.repeat) this.held = true; }, { signal, capture: true });
    window.addEventListener('keyup', () => {
      if (this.held) this.back();
      this.down = this.held = false;
    }, { signal, capture: true });
    mosaic.onChange(({ kind }) => { if (kind !== 'view') this.draw(); });
    this.draw();
  }

  clicked(event) {
    const button = event.target.closest('button');
    if (!button) return;
    event.stopPropagation();
    button.act();
    this.draw();
  }

  verbs() {
    const { mosaic } = this;
    const { scaleMode, invert } = mosaic.options;
    return {
      s: () => this.setStretch(NAMES[(NAMES.indexOf(mosaic.options.stretch) + 1) % NAMES.length]),
      c: () => mosaic.setScaleMode(scaleMode === 'all' ? 'ccd' : 'all'),
      v: () => mosaic.setInvert(!invert),
      n: () => this.setNames(!this.names),
      q: () => mosaic.setMask(!mosaic.masks.on),
      d: () => this.blink(),
      D: () => this.blink(true),
      ';': () => this.limits.toggle(),
      '<': () => this.limits.widen(0.8),
      '>': () => this.limits.widen(1.25),
      '+': () => mosaic.zoomBy(1.5, ...(mosaic.cursor ?? [])),
      '=': () => mosaic.zoomBy(1.5, ...(mosaic.cursor ?? [])),
      _: () => mosaic.zoomBy(1 / 1.5, ...(mosaic.cursor ?? [])),
    };
  }

  key(key) {
    const verb = this.verbs()[key];
    if (!verb) return false;
    this.down = key === 'd';
    verb();
    this.draw();
    return true;
  }

  // What Esc closes first. Returns false if there was nothing to close.
  escape() {
    if (this.mosaic.other) { this.back(); return true; }
    if (this.limits.open) { this.limits.toggle(false); return true; }
    return false;
  }

  setStretch(name) {
    this.mosaic.setStretch(name);
    this.options.onStretch?.(name);
  }

  setNames(on) {
    this.names = on;
    this.mosaic.setNames(on);
    this.options.onChange?.();
  }

  // ---- blinking

  exposure(expnum) {
    this.expnum = expnum;
    this.partner = 0;
    this.found = [];
    if (this.used && expnum !== null) this.find(expnum);
    this.draw();
  }

  async find(expnum) {
    try {
      const near = await this.mosaic.pictures.near(expnum);
      if (this.expnum === expnum) this.found = near;
    } catch { /* the room's own candidates are left */ }
    const first = this.partners()[0];
    if (first && this.expnum === expnum) this.mosaic.pictures.exposure(first.expnum).catch(() => {});
  }

  partners() {
    const all = [...this.found, ...(this.options.candidates?.() ?? [])];
    return all.filter((one, i) => one.expnum !== this.expnum && all.findIndex(other => other.expnum === one.expnum) === i);
  }

  async blink(another = false) {
    const { mosaic, expnum } = this;
    if (expnum === null || !mosaic.picture) return;
    if (mosaic.other && !another) return this.back();
    if (!this.used || !this.found.length) {
      this.used = true;
      await this.find(expnum);
      if (this.expnum !== expnum) return;
    }
    const partners = this.partners();
    if (!partners.length) { this.none = expnum; return this.draw(); }
    if (another) this.partner = (this.partner + 1) % partners.length;
    const { expnum: other, words } = partners[this.partner % partners.length];
    await mosaic.blink(other, words);
  }

  back() {
    this.mosaic.blink(null);
    this.draw();
  }

  // ---- the bar

  items() {
    const { mosaic } = this;
    const { stretch, scaleMode, invert, limits } = mosaic.options;
    const blinked = mosaic.other ? `${mosaic.other.expnum}` : this.none === this.expnum && this.expnum !== null ? 'nothing like it' : '';
    return [
      ['s', '', limits ? 'own limits' : STRETCHES[stretch].title], ['c', '', scaleMode === 'all' ? 'one scale' : 'per CCD'], ['v', 'invert', invert],
      ['n', 'names', this.names], ['q', 'mask', mosaic.masks.on], ['d', 'blink', blinked || Boolean(mosaic.other)], [';', 'limits', this.limits.open],
    ].map(([key, text, value]) => [key, text, value, () => this.verbs()[key](), TITLES[key]]);
  }

  // The buttons are kept and only updated, so that the keyboard focus stays on them.
  draw() {
    const items = [...this.items(), ...(this.options.extra?.() ?? [])];
    for (const [key, text, value, act, title] of items) {
      let button = this.buttons.get(key);
      if (!button) {
        button = document.createElement('button');
        button.type = 'button';
        button.dataset.key = key;
        button.innerHTML = '<span class="key"></span><span class="what"></span><b></b>';
        button.firstChild.textContent = key;
        this.buttons.set(key, button);
        this.bar.append(button);
      }
      button.act = act;
      button.title = title ?? '';
      const toggle = typeof value === 'boolean';
      if (toggle) button.setAttribute('aria-pressed', value);
      else if (key === 'd') button.setAttribute('aria-pressed', Boolean(this.mosaic.other));
      put(button.children[1], text);
      put(button.children[2], toggle || !value ? '' : `${text ? ' ' : ''}${value}`);
    }
  }

  close() { this.stop.abort(); }
}

function put(node, text) { if (node.textContent !== text) node.textContent = text; }
