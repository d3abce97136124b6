import { answers, json } from '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { entryOf, fetchColours, Page, pageOf, paletteTexture, rgb, shownCodes } = await import('../../../static/map/shared.js');

const ENTRIES = [
  { label: 'none', first: 0, last: 0, count: 2, quiet: true },
  { label: 'ghost', first: 1, last: 1, count: 1, quiet: false },
  { label: 'high', first: 2, last: 4, count: 2, quiet: false },
];
const COLOURS = { palette: ['#000000', '#ff8001', '#0000ff', '#0000ff', '#0000ff'], entries: ENTRIES };

// The file of one colour-by, in pieces of the given length.
function file(header, codes, piece = 1000) {
  const head = new TextEncoder().encode(JSON.stringify(header));
  const bytes = Buffer.concat([Buffer.from(Uint32Array.of(head.length).buffer), head, Buffer.from(codes)]);
  const body = new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += piece) controller.enqueue(new Uint8Array(bytes.subarray(at, at + piece)));
      controller.close();
    },
  });
  return new Response(body);
}

test('a hexadecimal colour', () => {
  assert.deepEqual(rgb('#ff8001'), [255, 128, 1]);
});

test('the class of a code', () => {
  assert.equal(entryOf(COLOURS, 3).label, 'high');
  assert.equal(entryOf(COLOURS, 5), undefined);
});

test('texels: shown 255, quiet 128, not among the isolated 0', () => {
  const all = paletteTexture(COLOURS, []);
  assert.deepEqual([...all.slice(0, 12)], [0, 0, 0, 128, 255, 128, 1, 255, 0, 0, 255, 255]);
  assert.equal(all.length, 1024);
  const some = paletteTexture(COLOURS, ['high']);
  assert.deepEqual([some[3], some[7], some[11], some[19]], [0, 0, 255, 255]);
});

test('codes of the isolated classes', () => {
  assert.deepEqual([...shownCodes(COLOURS, ['high', 'none']).slice(0, 6)], [1, 0, 1, 1, 1, 0]);
  assert.equal(shownCodes(COLOURS, [])[200], 1);
  assert.equal(shownCodes(null, ['high'])[200], 1);
});

test('a page is the same for the map and the legend', () => {
  assert.equal(pageOf('one'), pageOf('one'));
  assert.notEqual(pageOf('one'), pageOf('two'));
});

test('colours come in pieces of any length', async () => {
  for (const piece of [1, 3, 7, 1000]) {
    answers(file({ ...COLOURS, kind: 'classes' }, [0, 1, 0, 3, 4], piece));
    const heard = [];
    const colours = await fetchColours('/colours', given => heard.push(given.arrived));
    const whole = await colours.whole;
    assert.deepEqual([...whole.codes], [0, 1, 0, 3, 4]);
    assert.equal(whole.arrived, 5);
    assert.equal(whole.kind, 'classes');
    if (piece === 1) assert.deepEqual(heard, [1, 2, 3, 4, 5]);
  }
});

test('an answer that is cut off, and one that is not for this user', async () => {
  answers(file(COLOURS, [0, 1]), new Response('', { status: 403 }), new Response(Uint8Array.of(9, 0)));
  await assert.rejects((await fetchColours('/colours')).whole, /cut off/);
  await assert.rejects(fetchColours('/colours'), /you may not see these colours/);
  await assert.rejects(fetchColours('/colours'), /cut off/);
});

test('colours are fetched once for each address', async () => {
  const asked = answers(file(COLOURS, [0, 1, 0, 3, 4]), file(COLOURS, [1, 1, 0, 3, 4]));
  const page = new Page();
  page.setUrls({ reason: '/a' });
  await page.show('reason');
  await page.fetch('reason');
  assert.equal(asked.length, 1);
  assert.equal(page.ready('reason'), page.colours);
  page.setUrls({ reason: '/b' });
  assert.equal(page.ready('reason'), undefined);
  await page.fetch('reason');
  assert.deepEqual(asked.map(one => one.url), ['/a', '/b']);
});

test('a colour-by that does not exist', async () => {
  await assert.rejects(new Page().fetch('reason'), /no colours by reason/);
});

test('another colour-by shows all classes again', async () => {
  answers(file(COLOURS, [0, 1, 0, 3, 4]), file({ ...COLOURS, entries: [{ ...ENTRIES[1], count: 5 }] }, [1, 1, 1, 1, 1]));
  const page = new Page();
  page.setUrls({ reason: '/a', night: '/b' });
  await page.show('reason');
  page.isolate(['ghost', 'unknown']);
  assert.deepEqual(page.isolated, ['ghost']);
  await page.show('night');
  assert.deepEqual(page.isolated, []);
});

test('all classes isolated are none', async () => {
  answers(file(COLOURS, [0, 1, 0, 3, 4]));
  const page = new Page();
  page.setUrls({ reason: '/a' });
  await page.show('reason');
  page.isolate(['high', 'none', 'ghost']);
  assert.deepEqual(page.isolated, []);
  page.isolate(['high', 'none']);
  assert.deepEqual(page.isolated, ['none', 'high']);
});

test('colours that did not arrive are said, and asked for again', async () => {
  answers(json({}, 500), file(COLOURS, [0, 1, 0, 3, 4]));
  const page = new Page();
  page.urls = { reason: '/a' };
  let errors = 0;
  page.addEventListener('error', () => { errors++; });
  await page.show('reason');
  assert.equal(errors, 1);
  assert.equal(page.error, 'The colours by reason did not arrive (HTTP 500).');
  await page.show('reason');
  assert.equal(page.error, '');
  assert.deepEqual([...(await page.colours.whole).codes], [0, 1, 0, 3, 4]);
});

test('an older answer does not take the place of a newer wish', async () => {
  let release;
  const late = new Promise(resolve => { release = resolve; });
  answers(() => late, file({ ...COLOURS, kind: 'second' }, [0, 1, 0, 3, 4]));
  const page = new Page();
  page.urls = { reason: '/a', night: '/b' };
  const first = page.show('reason');
  await page.show('night');
  release(file({ ...COLOURS, kind: 'first' }, [0, 1, 0, 3, 4]));
  await first;
  assert.equal(page.colours.kind, 'second');
});
