// @ts-check
// Base of the sections of the Model room. A section is read while the room is open, and again when the values that it
// follows have changed. If that fails, the old content stays on screen.

import { text } from './marks.js';

export class Section {
  // parts : names of the elements for the state (one line) and for the content. follows : names on the page's model.
  constructor(box, model, tools, { parts, follows, unread }) {
    this.box = box;
    this.model = model;
    this.tools = tools;
    this.parts = parts;
    this.unread = unread;
    this.found = null;
    this.turn = 0;
    this.stale = false;
    this.closed = false;
    this.stops = follows.map(name => model.on(name, () => this.changed()));
    this.stops.push(model.on('room', () => { if (this.stale && this.visible()) this.reload(); }));
    box.addEventListener('click', event => this.click(event));
  }

  close() { this.closed = true; this.stops.forEach(stop => stop?.()); }

  visible() { return this.model.room === 'model'; }

  /** @returns {Part} */
  part(name) { return this.box.querySelector(`[data-part="${name}"]`); }

  changed() {
    if (this.closed) return;
    if (this.visible()) this.reload();
    else this.stale = true;
  }

  reload() { return this.load(); }

  // Only the answer to the last request counts. take : function that handles the answer before it is drawn
  async read(address, take) {
    this.stale = false;
    const turn = ++this.turn;
    try {
      const found = await this.tools.ask(address);
      if (turn !== this.turn || this.closed) return;
      this.found = found;
      take?.(found);
      this.part(this.parts.state).textContent = '';
      this.fill();
    } catch (error) {
      if (turn !== this.turn || this.closed) return;
      this.stale = true;
      if (this.found) this.part(this.parts.state).textContent = `not up to date: ${error.message}`;
      else this.part(this.parts.body).innerHTML = `<p class="problem">${this.unread}: ${text(error.message)}.</p><button data-act="again">Try again</button>`;
    }
  }
}
