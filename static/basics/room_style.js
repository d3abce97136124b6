// @ts-check
// Puts a room's own style sheet before its box. Resolves when the sheet is loaded, or could not be loaded.
export function withSheet(box, address) {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = address.href;
  const loaded = new Promise(resolve => { link.onload = link.onerror = resolve; });
  box.before(link);
  return loaded;
}
