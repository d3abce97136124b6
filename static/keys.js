// Single-key shortcuts: heard everywhere on the page except while somebody types, and never together with Ctrl, Alt or Meta.

const EDITABLE = new Set(['INPUT', 'TEXTAREA', 'SELECT']);

export function isTyping(event) {
  const target = event.composedPath()[0];
  return Boolean(target && (EDITABLE.has(target.tagName) || target.isContentEditable));
}

// handler(key, event) returns true when it used the key. Returns a function that stops listening.
export function listen(handler) {
  const heard = event => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event)) return;
    if (handler(event.key, event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  window.addEventListener('keydown', heard, { capture: true });
  return () => window.removeEventListener('keydown', heard, { capture: true });
}
