// @ts-check
// Where this page is. Every address that it asks for is relative to the page ('api/vote', never '/api/vote'), so that a run
// can be served below any path, and several runs beside each other.

// The path of this run: '/', or for example '/triptych/dr10/'.
export const root = new URL('.', document.baseURI).pathname;

// The name under which the browser keeps something of this run, apart from other runs of the same server.
export const ofThisRun = name => (root === '/' ? name : `${name} of ${root}`);
