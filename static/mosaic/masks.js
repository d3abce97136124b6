// @ts-check
// The mask overlay: the survey's data-quality mask, and pixels that recorded nothing.
//
// The mask is fetched at first use. Its header holds the classes with their colours. The legend leaves out classes that do
// not occur. If there is no mask, the legend says so; pixels that recorded nothing are hatched all the same.
//
// Mask texel (app/pictures/quality_masks.py): bits 0 to 9 the classes that occur, bits 10 to 15 the flagged share of its detector pixels.
// A screen pixel shows the strongest texel under it, so that a bad column stays visible however small it is drawn.

import { VERTEX, linked } from './gl.js';
import { orientationMatrix } from './view.js';

const KEPT = 6;
const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2DArray;
uniform usampler2DArray u_pixels;
uniform usampler2DArray u_mask;
uniform int u_masked;          // 1 = there is a mask
uniform mat3 u_orientation;
uniform vec4 u_classes[10];    // colour of each class; alpha 0 = not shown
uniform vec4 u_nothing;        // colour of what recorded nothing
in vec2 v_pixel;
flat in vec2 v_extent;
flat in vec4 v_source;
flat in vec4 v_level;
out vec4 colour;
void main() {
  if (min(min(v_pixel.x, v_pixel.y), min(v_extent.x - v_pixel.x, v_extent.y - v_pixel.y)) < 0.0) discard;
  vec2 texels = v_source.yz;
  vec2 at = (u_orientation * vec3(clamp(v_pixel / v_extent, 0.0, 1.0), 1.0)).xy * texels;
  vec2 footprint = abs((mat2(u_orientation) * (1.0 / v_extent)) * texels);
  ivec2 most = ivec2(ceil(texels)) - 1;
  ivec2 first = clamp(ivec2(floor(at - 0.5 * footprint + 0.001)), ivec2(0), most);
  ivec2 last = clamp(ivec2(ceil(at + 0.5 * footprint - 0.001)) - 1, first, most);
  ivec2 stride = max(ivec2(1), (last - first) / 12);
  uint bits = 0u, share = 0u;
  bool nothing = true;
  for (int y = first.y; y <= last.y; y += stride.y) for (int x = first.x; x <= last.x; x += stride.x) {
    ivec3 texel = ivec3(x, y, int(v_source.x));
    if (texelFetch(u_pixels, texel, 0).r > 0u) nothing = false;
    if (u_masked > 0) {
      uint found = texelFetch(u_mask, texel, 0).r;
      bits |= found & 1023u;
      share = max(share, found >> 10);
    }
  }
  for (int i = 0; i < 10; i++) if ((bits & (1u << i)) > 0u && u_classes[i].a > 0.0) {
    float strength = 0.35 + 0.5 * sqrt(float(share) / 63.0);
    colour = vec4(u_classes[i].rgb, 1.0) * strength;
    return;
  }
  if (!nothing || u_nothing.a <= 0.0) discard;
  float stripe = step(4.0, mod(gl_FragCoord.x + gl_FragCoord.y, 8.0));
  colour = vec4(u_nothing.rgb, 1.0) * mix(0.22, 0.6, stripe);
}`;

const NAMES = ['u_centre', 'u_scale', 'u_size', 'u_pixels', 'u_mask', 'u_masked', 'u_orientation', 'u_classes', 'u_nothing'];

export class Masks {
  constructor(mosaic) {
    this.mosaic = mosaic;
    this.on = false;
    this.kept = new Map();     // key -> {packet} | {problem} | {}: still on its way
  }

  set(on) {
    this.on = Boolean(on);
    this.mosaic.requestDraw();
  }

  forget() { this.kept.clear(); }

  keyOf(seen) {
    const full = this.mosaic.opened && this.mosaic.shown(seen) === seen.opened?.packet;
    return full ? `${seen.expnum}-${seen.opened.ccd.ccdname}` : `${seen.expnum}`;
  }

  // The mask of the picture on the screen. It is fetched if it is not here.
  of(seen) {
    const key = this.keyOf(seen);
    if (this.kept.has(key)) return this.kept.get(key);
    const found = {};
    this.kept.set(key, found);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    const { pictures } = this.mosaic;
    const asked = key.includes('-') ? pictures.ccdMask(seen.opened.ccd.image_id) : pictures.mask(seen.expnum);
    asked.then(packet => { found.packet = packet; }, error => { found.problem = error.message; if (error.again) this.kept.delete(key); })
      .finally(() => this.mosaic.requestDraw());
    return found;
  }

  // Fetches a mask ahead of time, if masks are shown.
  ahead(expnum) {
    if (this.on && !this.kept.has(`${expnum}`)) this.of({ expnum, opened: null, picture: null });
  }

  draw(mosaic, seen) {
    if (!this.on) return mosaic.furniture.legend(null);
    const { packet, problem } = this.of(seen);
    this.paint(mosaic, seen, packet);
    mosaic.furniture.legend({ classes: packet?.header.classes ?? [], line: this.line(packet, problem) });
  }

  line(packet, problem) {
    if (problem) return `no mask: ${problem}`;
    return packet ? packet.header.note : 'the mask is being read';
  }

  paint(mosaic, seen, packet) {
    const opened = mosaic.opened;
    if (opened && !seen.opened) return;
    const full = opened && mosaic.shown(seen) === seen.opened.packet;
    const picture = full ? seen.opened.packet : seen.picture;
    const tiles = full ? [{ ...picture.header.ccds[0], layer: 0, rect: opened.rect }]
      : opened ? [{ ...seen.opened.ccd, rect: opened.rect }] : seen.ccds;
    const key = full ? `${seen.expnum}-${seen.opened.ccd.ccdname}` : `${seen.expnum}`;
    const { header } = picture;
    const mask = packet?.mask?.length === picture.pixels.length ? mosaic.texture(`${key} mask`, packet.mask, header) : null;
    const classes = (packet?.header.classes ?? []).filter(one => one.bit !== null);
    const colours = Array.from({ length: 10 }, (_, bit) => {
      const found = classes.find(one => one.bit === bit);
      return found ? [...light(found.colour), 1] : [0, 0, 0, 0];
    });
    const nothing = (packet?.header.classes ?? []).find(one => one.bit === null);
    mosaic.maskGL.draw({
      pixels: mosaic.texture(key, picture.pixels, header), mask, view: mosaic.view, orientation: orientationMatrix(seen.geometry.orientation),
      tiles: tiles.map(tile => ({ rect: tile.rect, layer: tile.layer, columns: tile.nx, rows: tile.ny, sky: 0, sigma: 1 })),
      classes: colours, nothing: nothing ? [...light(nothing.colour), 1] : [0.6, 0.6, 0.6, 1],
    });
  }

  // Labels of the classes at a texel of the picture on the screen.
  labelsAt(seen, index) {
    const packet = this.on ? this.kept.get(this.keyOf(seen))?.packet : null;
    const bits = packet?.mask?.[index] ?? 0;
    return (packet?.header.classes ?? []).filter(one => one.bit !== null && bits & (1 << one.bit)).map(one => one.label);
  }

  // For the record of a vote.
  screen() {
    if (!this.on) return [];
    const found = this.kept.get(this.keyOf(this.mosaic.seen()))?.packet;
    return found?.mask?.length ? ['data_quality', 'nothing_recorded'] : ['nothing_recorded'];
  }
}

function light(colour) { return [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16) / 255); }

// Draws masks over the pixels with WebGL2. Data-quality classes have their colours; pixels that recorded nothing are
// hatched.
export class MaskGL {
  // mosaicGL: MosaicGL, whose textures and buffers are shared.
  constructor(mosaicGL) {
    this.mosaicGL = mosaicGL;
    this.start();
  }

  start() {
    const { gl } = this.mosaicGL;
    this.program = linked(gl, VERTEX, FRAGMENT);
    this.at = Object.fromEntries(NAMES.map(name => [name, gl.getUniformLocation(this.program, name)]));
  }

  // pixels, mask : keys of textures with the same texels; mask null = no mask. classes : [[r, g, b, shown]], 0 to 1.
  draw({ pixels, mask, tiles, view, orientation, classes, nothing }) {
    const { gl } = this.mosaicGL;
    gl.useProgram(this.program);
    this.mosaicGL.bindTiles(tiles);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.mosaicGL.touch(mask ?? pixels));
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.mosaicGL.touch(pixels));
    gl.uniform1i(this.at.u_pixels, 0);
    gl.uniform1i(this.at.u_mask, 1);
    gl.uniform1i(this.at.u_masked, mask ? 1 : 0);
    gl.uniform2f(this.at.u_centre, view.x, view.y);
    gl.uniform1f(this.at.u_scale, view.scale);
    gl.uniform2f(this.at.u_size, this.mosaicGL.canvas.width, this.mosaicGL.canvas.height);
    gl.uniformMatrix3fv(this.at.u_orientation, false, orientation);
    gl.uniform4fv(this.at.u_classes, new Float32Array(40).map((_, i) => classes[i >> 2]?.[i & 3] ?? 0));
    gl.uniform4f(this.at.u_nothing, ...nothing);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, tiles.length);
  }
}
