// @ts-check
// Reads answers of the server for a room.
//
// If a room is drawn again between the press and the release of a button, that button is gone and the click is lost. So
// these functions hand an answer on only when no button is pressed.

import { send } from './send.js';

const MOST_MS = 3000;   // longest wait: there is no event for the release of a scrollbar

let release = () => {}, over = Promise.resolve();
window.addEventListener('pointerdown', () => {
  release();
  over = new Promise(resolve => { release = resolve; });
  setTimeout(release, MOST_MS);
}, true);
// the timeout lets the click, which follows the release, come first
for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, () => setTimeout(release), true);
window.addEventListener('pointermove', event => { if (!event.buttons) release(); }, true);

// The JSON of a response, once nothing is pressed.
export async function read(response) {
  const answer = await response.json();
  await over;
  return answer;
}

// The JSON from an address (GET, or POST with a body). null if there is no good answer.
export async function askFor(url, body) {
  try {
    const response = await (body === undefined ? fetch(url, { headers: { Accept: 'application/json' } }) : send(url, body));
    return response.ok ? await read(response) : null;
  } catch { return null; }
}
