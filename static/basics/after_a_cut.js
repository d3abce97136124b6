// @ts-check
// What a page asks for while it has no connection comes when the connection is back: answers and pictures.
//
// This is for what only reads. What changes something on the server fails without a connection, and whoever sends it says
// so, or keeps it and sends it again (frame/outbox.js).

import { line } from './lasting_socket.js';

const MOMENT_MS = 200;   // a request may fail a moment before the websocket is known to be lost

const ask = globalThis.fetch;

/** @type {typeof fetch} */
async function patient(input, options = {}) {
  for (;;) {
    const { cuts, state } = line;
    try { return await ask(input, options); } catch (error) {
      const { method = 'GET' } = input instanceof Request ? input : options;
      if (method !== 'GET' || options.signal?.aborted) throw error;
      await new Promise(resolve => { setTimeout(resolve, MOMENT_MS); });
      if (state === 'open' && line.state === 'open' && line.cuts === cuts) throw error;
      await line.back();
      options.signal?.throwIfAborted();
    }
  }
}

// Every picture of the page, also in its shadow roots, that did not come.
function missingPictures(root) {
  const found = [];
  for (const node of root.querySelectorAll('*')) {
    if (node.shadowRoot) found.push(...missingPictures(node.shadowRoot));
    else if (node instanceof HTMLImageElement && node.getAttribute('src') && (!node.complete || !node.naturalWidth)) found.push(node);
  }
  return found;
}

export function mendPictures() {
  for (const picture of missingPictures(document)) picture.setAttribute('src', picture.getAttribute('src'));
}

globalThis.fetch = patient;
let lost = false;
line.listen(state => {
  if (state === 'open' && lost) mendPictures();
  lost = state === 'lost';
});
