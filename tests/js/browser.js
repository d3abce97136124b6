// The little of a browser that the modules of static/ ask for while they are imported. Import this first.

const target = new EventTarget();
const kept = new Map();

const storage = {
  get length() { return kept.size; },
  key: place => [...kept.keys()][place] ?? null,
  getItem: key => kept.get(key) ?? null,
  setItem: (key, value) => { kept.set(key, String(value)); },
  removeItem: key => { kept.delete(key); },
  clear: () => kept.clear(),
};

const given = {
  window: globalThis,
  addEventListener: target.addEventListener.bind(target),
  removeEventListener: target.removeEventListener.bind(target),
  dispatchEvent: target.dispatchEvent.bind(target),
  document: Object.assign(new EventTarget(), { body: { dataset: {} }, hidden: false, baseURI: 'http://localhost/', querySelector: () => null }),
  localStorage: storage,
  matchMedia: () => ({ matches: false }),
};
for (const [name, value] of Object.entries(given)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

// Answers for fetch, in the order in which they are asked for: a Response, a function of (url, options), or an Error.
// Returns what was asked, filled as it happens.
export function answers(...given) {
  const asked = [];
  globalThis.fetch = async (url, options = {}) => {
    asked.push({ url, options });
    const next = given.shift();
    if (next === undefined) throw new Error(`nobody answers ${url}`);
    if (next instanceof Error) throw next;
    return typeof next === 'function' ? next(url, options) : next;
  };
  return asked;
}

export const json = (value, status = 200) => new Response(JSON.stringify(value), { status });

// Until what was started has had its turn.
export const settled = () => new Promise(resolve => { setTimeout(resolve, 5); });
