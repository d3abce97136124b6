// @ts-check
// Mounts a component's module when its box first becomes visible, with the common style sheet inside its shadow root.

import { line } from '../basics/lasting_socket.js';
import { relabel } from './keys.js';

export async function load(box, model, base, path, name) {
  let unmount = null;
  let gone = false;
  model.on('remove', () => { gone = true; if (typeof unmount === 'function') unmount(); });
  await Promise.all([styled(box, `${base}/frame/theme.css`), visible(box)]);
  if (gone) return;
  try {
    const module = await fetched(base, path);
    unmount = await module[name](box, model);
    relabel(box.getRootNode());
    box.dataset.ready = '1';
  } catch (error) {
    console.error(error);
    box.textContent = 'This panel could not start: ' + error.message + '. Reload the page.';
    box.classList.add('failed');
  }
}

// The module; without a connection, when it is back. That a connection breaks just now is not known at once, but a request
// waits until it is (basics/after_a_cut.js).
async function fetched(base, path) {
  for (let again = false; ; again = true) {
    try { return await import(`${base}/${path}`); } catch (error) {
      if (line.state !== 'open') { await line.back(); continue; }
      if (again) throw error;
      await fetch(`${base}/${path}`).catch(() => { throw error; });
    }
  }
}

// The page's own style sheet does not work inside a shadow root. The browser parses the common file only once.
/** @returns {Promise<void>} */
function styled(box, href) {
  return new Promise(resolve => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = href;
    link.onload = link.onerror = () => resolve();
    const root = box.getRootNode();
    if (root instanceof ShadowRoot) root.prepend(link);
    else if (box.isConnected) resolve();
    else requestAnimationFrame(() => { styled(box, href).then(resolve); });
  });
}

/** @returns {Promise<void>} */
function visible(box) {
  return new Promise(resolve => {
    const watch = new IntersectionObserver(entries => {
      if (entries.some(entry => entry.isIntersecting)) { watch.disconnect(); resolve(); }
    });
    watch.observe(box);
  });
}
