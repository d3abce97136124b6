// @ts-check
// The only place from which a page sends what changes something on the server. Each such request names the user of the
// page. If somebody else has logged in meanwhile, for example in another tab, the server refuses it (409), so that nothing
// is stored in another's name.

/**
 * POST a body as JSON. Returns the promise of the Response.
 * @param {string} url
 * @param {any} body
 * @param {{ user?: string, signal?: AbortSignal }} [more] user : in whose name; by default the user of this page
 */
export function send(url, body, { user = document.body.dataset.user ?? '', signal } = {}) {
  return fetch(url, {
    method: 'POST', credentials: 'same-origin', body: JSON.stringify(body), signal,
    headers: { Accept: 'application/json', 'Content-Type': 'application/json', 'X-Triptych-User': encodeURIComponent(user) },
  });
}

// Why an answer is no good, as one line that says what to do.
export async function whyNot(response) {
  const body = (await response.text()).trim();
  const said = body.replace(/^\d{3} /, '');
  if (response.status === 403 && (!said || said.startsWith('log in'))) return 'your session has ended: log in again in another tab, then try again';
  return said && said.length < 600 && !said.startsWith('<') ? said : `the server answered ${response.status}`;
}

// POST a body and return the answer. Throws a TypeError without a connection, or an Error that says why not.
export async function sendJson(url, body) {
  const response = await send(url, body);
  if (!response.ok) throw new Error(await whyNot(response));
  return response.json();
}
