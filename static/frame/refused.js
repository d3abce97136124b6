// @ts-check
// Votes and decisions that the server will never take. They stay in the browser's storage, with why, until their user
// dismisses them: nobody's judgement disappears without a word.
//
// A letter : { key, user, address, body, why }

import { ofThisRun } from '../basics/here.js';
import { escapeText } from '../basics/text.js';

const PREFIX = `${ofThisRun('triptych-refused')}|`;
export const CHANGED = 'triptych-refused';   // event of the window
const unkept = new Map();                    // letters that the browser could not store

// Whether there is one that the browser could not store, so that it is lost with the page.
export const refusedOnlyHere = () => unkept.size > 0;

// The refused letters of a user, oldest first.
export function refusedOf(user) {
  const found = [...unkept.values()];
  try {
    for (let k = 0; k < localStorage.length; k++) {
      const key = localStorage.key(k);
      if (key.startsWith(PREFIX)) found.push(read(key));
    }
  } catch { /* no storage: only the letters in memory */ }
  return found.filter(letter => letter?.user === user).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function read(key) {
  try { return { ...JSON.parse(localStorage.getItem(key)), key }; } catch { return null; }
}

// name : tells this letter from all others. The same one twice is kept once.
export function keepRefused(name, { user, address, body, why }) {
  const key = PREFIX + name;
  try { localStorage.setItem(key, JSON.stringify({ user, address, body, why })); } catch { unkept.set(key, { key, user, address, body, why }); }
  window.dispatchEvent(new Event(CHANGED));
}

export function dismissRefused(key) {
  unkept.delete(key);
  try { localStorage.removeItem(key); } catch { /* it was never kept */ }
  window.dispatchEvent(new Event(CHANGED));
}

// What a letter said, in words.
export function wordsOf({ address, body }) {
  const what = body?.judgement ? `${body.judgement}${body.reasons?.length ? ` (${body.reasons.join(', ')})` : ''}` : 'taking back a vote';
  const kind = address?.endsWith('adjudicate/decision') ? 'Decision' : 'Vote';
  const note = body?.comment ? `, “${body.comment}”` : '';
  return body?.judgement ? `${kind} on ${body.expnum}: ${what}${note}` : `${what[0].toUpperCase()}${what.slice(1)}${body?.expnum ? ` on ${body.expnum}` : ''}`;
}

// Connects a button that counts the refused letters of a user with a dialog that lists them.
export function mountRefused(button, dialog, user, signal) {
  const draw = () => {
    const letters = refusedOf(user);
    button.hidden = !letters.length;
    button.textContent = `${letters.length} refused`;
    button.title = 'Votes that the server did not take, and why';
    if (!letters.length && dialog.open) dialog.close();
    dialog.innerHTML = `<h2>Not stored</h2><p class="muted">The server refused these. Judge the exposures again if you still want to, then dismiss them here.</p>
      <ul>${letters.map(letter => `<li data-key="${escapeText(letter.key)}"><div>${escapeText(wordsOf(letter))}</div><div class="why">${escapeText(letter.why)}</div><button data-dismiss>Dismiss</button></li>`).join('')}</ul>
      <footer><button data-close>Close</button></footer>`;
  };
  button.addEventListener('click', () => { draw(); dialog.showModal(); }, { signal });
  dialog.addEventListener('click', event => {
    if (event.target.closest('[data-close]')) return dialog.close();
    const item = event.target.closest('[data-dismiss]')?.closest('li');
    return item && dismissRefused(item.dataset.key);
  }, { signal });
  window.addEventListener(CHANGED, draw, { signal });
  window.addEventListener('storage', event => { if (event.key === null || event.key.startsWith(PREFIX)) draw(); }, { signal });
  window.addEventListener('beforeunload', event => { if (unkept.size) event.preventDefault(); }, { signal });
  draw();
}
