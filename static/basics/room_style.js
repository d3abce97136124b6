// @ts-check
// A room's own style sheet, put before its box; resolves when it is there (or is not to be had).
export function withSheet(box, address) {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = address.href;
  const loaded = new Promise(resolve => { link.onload = link.onerror = resolve; });
  box.before(link);
  return loaded;
}
