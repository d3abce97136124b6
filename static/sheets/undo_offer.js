// @ts-check
// A line that says what was just done, with an Undo button. While it is shown, `z` in the same room undoes it too.

import { listen } from '../frame/keys.js';
import { tellOtherTabs } from './other_tabs.js';

const SHOWN_MS = 20_000;
let shown = null;

// text : what was done    undo() : Promise; onDone(answer) : after it was taken back
export function offerUndo({ text, undo, onDone = () => {} }) {
  shown?.close();
  shown = new Offer(text, undo, onDone);
  return shown;
}

class Offer {
  constructor(text, undo, onDone) {
    this.undo = undo;
    this.onDone = onDone;
    this.room = document.body.dataset.room;
    this.node = document.createElement('div');
    this.node.className = 'undo-offer';
    this.node.setAttribute('role', 'status');
    this.node.innerHTML = `<link rel="stylesheet" href="${new URL('./contact_sheet.css', import.meta.url)}">
      <span></span><button type="button">Undo <span class="key">z</span></button>`;
    this.node.querySelector('span').textContent = text;
    this.node.querySelector('button').addEventListener('click', () => this.act());
    document.body.append(this.node);
    this.stopKeys = listen(key => {
      if (key !== 'z' || document.querySelector('dialog[open]') || document.body.dataset.room !== this.room) return false;
      this.act();
      return true;
    });
    this.timer = setTimeout(() => this.close(), SHOWN_MS);
  }

  async act() {
    if (this.busy) return;
    this.busy = true;
    clearTimeout(this.timer);
    const [words, button] = [this.node.querySelector('span'), this.node.querySelector('button')];
    try {
      const answer = await this.undo();
      tellOtherTabs();
      words.textContent = 'Taken back, all of them.';
      button.hidden = true;
      this.stopKeys();
      this.onDone({ ...answer, undone: true });
      this.timer = setTimeout(() => this.close(), 4000);
    } catch (error) {
      words.textContent = `Not taken back: ${error instanceof TypeError ? 'no connection' : error.message}. Try again.`;
      this.timer = setTimeout(() => this.close(), SHOWN_MS);
    }
    this.busy = false;
  }

  close() {
    clearTimeout(this.timer);
    this.stopKeys();
    this.node.remove();
    if (shown === this) shown = null;
  }
}
