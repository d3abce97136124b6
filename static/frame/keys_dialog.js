// @ts-check
// The `?` page: all keys. The user can change a key, turn it off, or go back to the standard keys.

import { capOf, changedKeys, changeKeys, EVERYWHERE, FIXED, keyOf, meantKey, ownKey, rest } from './keys.js';
import { keepSettings, settings } from './settings.js';
import { KEYS } from './shortcuts.js';

const REASONS_ROW = /^reasons/;

/** @type {(dialog: any, more?: { tour?: () => void }) => void} */
export function showKeys(dialog, { tour } = {}) {
  if (!dialog.open) dialog.showModal();
  new KeysDialog(dialog, tour).draw();
}

// The rooms in which the keys under a heading work; [] if they cannot be changed.
function scopesOf(title) {
  if (title === 'Everywhere') return [EVERYWHERE];
  if (/both rooms/.test(title)) return ['explore', 'review'];
  const room = title.split(/[:,]/)[0].toLowerCase();
  return rooms().includes(room) ? [room] : [];
}

const rooms = () => [...document.querySelectorAll('#rooms [data-room]')].map(tab => tab.dataset.room);

class KeysDialog {
  constructor(dialog, tour) {
    this.dialog = dialog;
    this.tour = tour;
    this.changing = false;
    this.reasons = [];
    dialog.onclick = event => this.clicked(event);
    dialog.onclose = () => this.stop();
    settings().then(kept => { this.reasons = kept?.reasons ?? []; if (this.changing) this.draw(); });
  }

  // [{title, scopes, rows: [{caps: [text], text}]}]. While keys are changed, each reason has a row of its own.
  groups() {
    return Object.entries(KEYS).map(([title, keys]) => ({
      title, scopes: scopesOf(title),
      rows: keys.flatMap(([caps, text]) => (this.changing && REASONS_ROW.test(text) && this.reasons.length
        ? this.reasons.map(reason => ({ caps: [reason.key], text: reason.label }))
        : [{ caps: caps.split(' '), text }])),
    }));
  }

  draw(words = '') {
    const columns = this.groups().map(group => `<section><h2>${group.title}</h2><dl>${group.rows.map(row =>
      `<dt>${row.caps.map(cap => this.cap(cap, group, row)).join(' ')}</dt><dd>${row.text}</dd>`).join('')}</dl></section>`);
    this.dialog.innerHTML = `<div class="columns" data-own-keys>${columns.join('')}</div>
      <footer data-own-keys><span role="status" class="words"></span>
        ${this.tour ? '<button data-verb="tour">Show the tour</button>' : ''}
        ${this.changing ? '<button data-verb="reset">First keys back</button>' : ''}
        <button data-verb="change" aria-pressed="${this.changing}">${this.changing ? 'Done' : 'Change keys'}</button>
        <button data-verb="close">Close</button></footer>`;
    this.say(words || (this.changing ? 'Choose a key cap, then press the new key.' : ''));
  }

  cap(cap, { scopes }, { text }) {
    const key = keyOf(cap);
    const own = key && scopes.length ? ownKey(key, scopes[0]) : key;
    const shown = !key ? cap : own ? capOf(own) : 'off';
    const is = own === key ? '' : ' own';
    if (!this.changing || !key || FIXED.has(key) || !scopes.length) return `<span class="key${is}">${shown}</span>`;
    return `<button class="key${is}" data-key="${key}" data-scopes="${scopes}" aria-label="${shown}: ${text}">${shown}</button>`;
  }

  say(words) { this.dialog.querySelector('.words').textContent = words; }

  clicked(event) {
    const button = event.target.closest('button');
    if (!button) return;
    const verbs = {
      close: () => this.dialog.close(),
      change: () => { this.changing = !this.changing; this.draw(); this.focus('[data-verb=change]'); },
      reset: () => this.keep({}, 'The keys are as they were at first.', '[data-verb=reset]'),
      tour: () => { this.dialog.close(); this.tour(); },
    };
    if (button.dataset.verb) verbs[button.dataset.verb]();
    else if (button.dataset.key) this.ask(button);
  }

  focus(selector) { this.dialog.querySelector(selector)?.focus(); }

  // ---- one key

  ask(button) {
    this.stop();
    button.classList.add('asked');
    this.say('Press the new key. Del turns it off, Esc leaves it.');
    rest(true);
    this.heard = event => {
      if (['Shift', 'Control', 'Alt', 'Meta', 'CapsLock'].includes(event.key)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      this.stop();
      if (event.key !== 'Escape') this.change(button.dataset.key, button.dataset.scopes.split(','), event);
      else this.say('Left as it is.');
    };
    window.addEventListener('keydown', this.heard, { capture: true });
  }

  stop() {
    if (!this.heard) return;
    window.removeEventListener('keydown', this.heard, { capture: true });
    this.heard = null;
    rest(false);
    this.dialog.querySelector('.asked')?.classList.remove('asked');
  }

  change(key, scopes, event) {
    const own = event.key === 'Delete' ? '' : meantKey(event);
    const refusal = own && (event.ctrlKey || event.altKey || event.metaKey ? 'Ctrl, Alt and Meta belong to the browser; choose a plain key.' : this.refusal(key, own, scopes));
    if (refusal) return this.say(refusal);
    const keys = changedKeys();
    for (const scope of scopes) {
      keys[scope] = { ...keys[scope], [key]: own };
      if (own === key) delete keys[scope][key];
      if (!Object.keys(keys[scope]).length) delete keys[scope];
    }
    this.keep(keys, own === key ? 'The first key is back.' : own ? `${capOf(own)} it is.` : 'Turned off.', `[data-key="${CSS.escape(key)}"][data-scopes="${scopes}"]`);
  }

  // One line that says why this key cannot be chosen; '' if it can.
  refusal(key, own, scopes) {
    if (FIXED.has(own)) return `${capOf(own)} cannot be given away; choose another key.`;
    if (own.length > 1 && capOf(own) === own) return `${own} cannot be used; choose a letter, digit, sign or arrow.`;
    if (/^[A-Z]$/.test(key) !== /^[A-Z]$/.test(own)) return /^[A-Z]$/.test(key) ? 'Rooms open with Shift and a letter; choose such a key.' : 'Keys with Shift open rooms; choose one without Shift.';
    const here = scopes[0] === EVERYWHERE ? rooms() : scopes;
    for (const group of this.groups()) {
      const shared = group.scopes[0] === EVERYWHERE ? here : group.scopes.filter(room => here.includes(room));
      for (const room of shared) {
        for (const row of group.rows) {
          const other = row.caps.map(keyOf).find(one => one && one !== key && ownKey(one, room) === own);
          if (other !== undefined) return `${capOf(own)} does “${row.text}” there; choose another key, or change that one first.`;
        }
      }
    }
    return '';
  }

  async keep(keys, words, focus) {
    try {
      const kept = await keepSettings({ keys });
      changeKeys(kept.keys);
      this.draw(words);
    } catch (error) {
      this.draw(error.message);
    }
    this.focus(focus);
  }
}
