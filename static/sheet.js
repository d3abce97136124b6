// @ts-check
// A room's own style sheet, put before its box; resolves when it is there (or is not to be had).
export function withSheet(box, name) {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL(name, import.meta.url).href;
  const loaded = new Promise(resolve => { link.onload = link.onerror = resolve; });
  box.before(link);
  return loaded;
}
