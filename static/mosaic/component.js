// @ts-check
// The mosaic in Explore, with a line of facts and a bar of keys. Its Panel component is MosaicView
// (app/rooms/explore/image_view.py).

import { listen } from '../frame/keys.js';
import { plain } from '../basics/plain.js';
import { dateOf, momentOf } from '../basics/when.js';
import { Controls } from './controls.js';
import { mountMosaic } from './mosaic.js';

const MARKS = 'Frame each CCD in its colour on the map, with its probability of being bad';
const MAP_ZOOMS = new Set(['+', '=', '_', '-']); // these keys zoom the panel that has the focus

export function mount(box, model) {
  const panel = new MosaicPanel(box, model);
  box.mosaic = panel.mosaic;
  return () => panel.close();
}

class MosaicPanel {
  constructor(box, model) {
    this.model = model;
    const styles = [new URL('../frame/pane.css', import.meta.url), new URL('./component.css', import.meta.url)];
    box.innerHTML = `${styles.map(style => `<link rel="stylesheet" href="${style}">`).join('')}<div class="pane exposure"><div class="head"></div><div class="body"></div>
      <div class="looking" role="toolbar" aria-label="looking"></div></div>`;
    const find = selector => box.querySelector(selector);
    this.head = find('.head');
    this.mosaic = mountMosaic(find('.body'), {
      version: model.picture_version, camera: model.camera, stretch: model.stretch, insets: [10, 10, 34, 10], keys: true,
      emptyText: 'Click a point on the map or a thumbnail to see its exposure here.',
    });
    this.controls = new Controls(this.mosaic, find('.looking'), {
      onStretch: name => { model.stretch = name; },
      extra: () => [['m', 'marks', Boolean(model.marks), () => { model.marks = !model.marks; }, MARKS]],
    });
    this.follow();
    this.mosaic.onPick(pick => this.picked(pick));
    this.head.addEventListener('click', event => { if (event.target.closest('button')) this.model.send_msg({ kind: 'review' }); });
    this.stopKeys = listen(key => this.key(key));
    this.heard = new AbortController();
    window.addEventListener('triptych-ahead', event => this.mosaic.prefetch(event.detail), { signal: this.heard.signal });
    window.addEventListener('triptych-enlarge', event => this.enlarge(event.detail), { signal: this.heard.signal });
    this.show();
  }

  follow() {
    const { model, mosaic } = this;
    const apply = {
      expnum: () => this.show(),
      room: () => { if (this.mosaic.expnum !== (model.expnum ?? null)) this.show(); },
      focus_ccd: () => mosaic.setFocus(model.focus_ccd),
      stretch: () => { if (model.stretch !== mosaic.options.stretch) mosaic.setStretch(model.stretch); },
      overlay: () => this.overlay(),
      marks: () => this.controls.draw(),
      facts: () => this.drawHead(),
      picture_version: () => mosaic.setVersion(model.picture_version),
    };
    for (const [name, act] of Object.entries(apply)) model.on(name, act);
    apply.focus_ccd();
    this.overlay();
  }

  overlay() {
    const overlay = plain(this.model.overlay);
    this.mosaic.setOverlay(Object.keys(overlay).length ? overlay : null);
  }

  // While another room is open, the mosaic loads and draws nothing, so that the open room is fast.
  async show() {
    const { expnum, room } = this.model;
    this.drawHead();
    if (room !== 'explore') return;
    this.controls.exposure(expnum ?? null);
    await this.mosaic.show(expnum ?? null);
    if (this.wanted && this.wanted.expnum === expnum) this.mosaic.openCcd(this.wanted.name);
    this.wanted = null;
  }

  // A click puts the CCD in focus in all three panels. A second click enlarges it.
  picked({ expnum, ccdname }) {
    const { mosaic } = this;
    if (expnum === null || mosaic.opened) return;
    if (ccdname && ccdname === mosaic.focus) { mosaic.openCcd(ccdname); return; }
    mosaic.setFocus(ccdname);
    this.model.send_msg({ kind: 'pick', expnum, ccdname });
  }

  enlarge({ expnum, name }) {
    if (this.model.expnum === expnum && this.mosaic.picture) this.mosaic.openCcd(name);
    else this.wanted = { expnum, name };
  }

  verbs() {
    const { mosaic, model } = this;
    return {
      m: () => { model.marks = !model.marks; },
      e: () => {
        const name = mosaic.pointed() || mosaic.focus;
        if (mosaic.opened) mosaic.closeCcd();
        else if (name) mosaic.openCcd(name);
      },
      f: () => mosaic.fit(),
    };
  }

  key(key) {
    if (this.model.room !== 'explore' || document.querySelector('dialog[open]')) return false;
    if (key === 'Escape' && this.controls.escape()) return true;
    if (key === 'Escape' && this.mosaic.opened) { this.mosaic.closeCcd(); return true; }
    const verb = this.verbs()[key];
    if (!verb) return !MAP_ZOOMS.has(key) && this.controls.key(key);
    verb();
    this.controls.draw();
    return true;
  }

  drawHead() {
    const { expnum } = this.model;
    const facts = plain(this.model.facts);
    this.head.replaceChildren();
    if (expnum === null || expnum === undefined) { this.head.textContent = 'No exposure'; return; }
    const words = [facts.band, facts.exptime && `${Math.round(facts.exptime * 10) / 10} s`, date(facts), facts.n_ccds && `${facts.n_ccds} CCD${facts.n_ccds === 1 ? '' : 's'}`, facts.object];
    const number = document.createElement('strong');
    number.className = 'mono';
    number.textContent = expnum;
    const text = document.createElement('span');
    text.className = 'how';
    text.textContent = words.filter(Boolean).join(' · ');
    text.title = text.textContent;
    const review = document.createElement('button');
    review.className = 'quiet push';
    review.innerHTML = '<span class="key">r</span> review';
    review.title = 'Judge this exposure in the Review room';
    this.head.append(number, text, review);
  }

  close() {
    this.stopKeys();
    this.controls.close();
    this.heard.abort();
    this.mosaic.destroy();
  }
}

// When the exposure was taken, from its MJD, or else the night.
function date({ mjd_obs: mjd, night }) {
  return mjd ? momentOf(mjd) : dateOf(night);
}
