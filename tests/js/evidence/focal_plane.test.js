import { answers, json, settled } from '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { drivers, planeSvg, slotsOf } = await import('../../../static/evidence/focal_plane.js');

const ccd = (p_bad, sampled = true) => ({ p_bad, sampled, bad_reason: 'ghosts' });
const names = model => drivers(model).map(one => one.ccdname);

test('the CCDs that speak most for bad, worst first', () => {
  assert.deepEqual(names({ ccds: { A: ccd(0.6), B: ccd(0.9), C: ccd(0.2) } }), ['B', 'A']);
  assert.deepEqual(names({ ccds: Object.fromEntries([0.91, 0.95, 0.93, 0.94, 0.92].map((p, k) => [`C${k}`, ccd(p)])) }), ['C1', 'C3', 'C2', 'C4']);
});

test('where none is likely bad, the worst one', () => {
  assert.deepEqual(names({ ccds: { A: ccd(0.2), B: ccd(0.4) } }), ['B']);
});

test('a rule that counts CCDs says which count, and from where on', () => {
  const ccds = { A: ccd(0.99, false), B: ccd(0.8), C: ccd(0.6) };
  assert.deepEqual(names({ ccds, asks: { whole: false, above: 0.7 } }), ['B']);
  assert.deepEqual(names({ ccds, asks: { whole: true, above: 0.7 } }), ['A', 'B', 'C']);
  assert.deepEqual(names({ ccds: { A: ccd(0.99, false) }, asks: { whole: false, above: 0.7 } }), ['A']);
});

test('the small map of the focal plane', () => {
  const slots = { canvas: [2600, 1000], ccds: [{ ccdname: 'A', x0: 0, y0: 0, width: 100, height: 50 }, { ccdname: 'B', x0: 100, y0: 0, width: 100, height: 50 }, { ccdname: 'C', x0: 200, y0: 0, width: 100, height: 50 }] };
  const html = planeSvg(slots, { ccds: { A: ccd(1), B: ccd(0.25) } }, { colours: { ghosts: '#f00' }, letters: { ghosts: 'o' } });
  assert.match(html, /viewBox="-10 -10 2620 1020"/);
  assert.match(html, /1 of 2 CCDs more likely bad than good/);
  assert.deepEqual([...html.matchAll(/fill-opacity="([\d.]+)"/g)].map(found => found[1]), ['1.00', '0.31']);
  assert.deepEqual([...html.matchAll(/>(\w)<\/text>/g)].map(found => found[1]), ['o']);
  assert.equal([...html.matchAll(/class="none"/g)].length, 1);
});

test('the slots of a camera are asked for once, and again after a failure', async () => {
  const asked = answers(json({}, 404), json({ canvas: [1, 1], ccds: [] }));
  assert.equal(await slotsOf('decam', 'v'), null);
  await settled();
  assert.deepEqual(await slotsOf('decam', 'v'), { canvas: [1, 1], ccds: [] });
  await slotsOf('decam', 'v');
  assert.deepEqual(asked.map(one => one.url), ['picture/geometry/decam.json?v=v', 'picture/geometry/decam.json?v=v']);
});
