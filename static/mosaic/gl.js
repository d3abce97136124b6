// @ts-check
// Draws CCD images with WebGL2: one unsigned 16-bit texture layer per CCD, averaged and stretched in the shader.
//
// A screen pixel is the mean of all recorded texels under it, so that faint, narrow features stay visible at any size of
// the panel. Magnified a few times the picture is bilinear; beyond that texels show as squares.
// Code 0 means that nothing was recorded there.

export const VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec4 rect;      // x, y, width, height on the canvas, full-resolution pixels
layout(location = 1) in vec4 source;    // layer, columns, rows (with a fraction if the last one is only partly covered); unused
layout(location = 2) in vec4 level;     // sky, sigma of this CCD in codes; brightness; unused
uniform vec2 u_centre;                  // canvas point in the middle of the panel
uniform float u_scale;                  // screen pixels per canvas pixel
uniform vec2 u_size;                    // panel, screen pixels
out vec2 v_pixel;                       // screen pixels from the CCD's upper left corner
flat out vec2 v_extent;                 // its size in screen pixels
flat out vec4 v_source;
flat out vec4 v_level;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 first = (rect.xy - u_centre) * u_scale + 0.5 * u_size;
  v_extent = rect.zw * u_scale;
  v_pixel = mix(vec2(-1.0), v_extent + 1.0, corner);
  vec2 at = first + v_pixel;
  gl_Position = vec4(at.x / u_size.x * 2.0 - 1.0, 1.0 - at.y / u_size.y * 2.0, 0.0, 1.0);
  v_source = source;
  v_level = level;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2DArray;
uniform usampler2DArray u_pixels;
uniform sampler2D u_colours;
uniform mat3 u_orientation;    // (across, down) on the sky in 0..1 -> (column, row) in 0..1
uniform vec2 u_common;         // sky, sigma of the exposure, codes
uniform vec2 u_own;            // 1 = use the CCD's own sky, own sigma
uniform vec4 u_stretch;        // low, high in sigma; softening (0 = linear); 1 = invert
uniform vec4 u_blank;
in vec2 v_pixel;
flat in vec2 v_extent;
flat in vec4 v_source;
flat in vec4 v_level;
out vec4 colour;

float bent(float sigmas) { return u_stretch.z > 0.0 ? asinh(sigmas / u_stretch.z) : sigmas; }

void main() {
  vec2 inside = clamp(min(v_pixel, v_extent - v_pixel) + 0.5, 0.0, 1.0);
  float cover = inside.x * inside.y;
  if (cover <= 0.0) discard;
  vec2 texels = v_source.yz;
  vec2 at = (u_orientation * vec3(clamp(v_pixel / v_extent, 0.0, 1.0), 1.0)).xy * texels;
  vec2 footprint = abs((mat2(u_orientation) * (1.0 / v_extent)) * texels);
  // Bilinear up to a magnification of 6; beyond that the edges of texels show.
  vec2 width = max(footprint, mix(vec2(1.0), footprint, smoothstep(0.25, 0.125, max(footprint.x, footprint.y))));
  vec2 low = clamp(at - 0.5 * width, vec2(0.0), texels);
  vec2 high = clamp(at + 0.5 * width, vec2(0.0), texels);
  ivec2 first = ivec2(floor(low));
  ivec2 last = min(ivec2(ceil(high)), ivec2(ceil(texels))) - 1;
  ivec2 stride = max(ivec2(1), (last - first) / 24);
  float total = 0.0, recorded = 0.0, weights = 0.0;
  for (int y = first.y; y <= last.y; y += stride.y) {
    float wy = min(high.y, float(y + 1)) - max(low.y, float(y));
    for (int x = first.x; x <= last.x; x += stride.x) {
      float weight = wy * (min(high.x, float(x + 1)) - max(low.x, float(x)));
      uint code = texelFetch(u_pixels, ivec3(x, y, int(v_source.x)), 0).r;
      weights += weight;
      if (code > 0u) { total += weight * float(code); recorded += weight; }
    }
  }
  if (recorded <= 0.5 * weights) { colour = vec4(u_blank.rgb, 1.0) * cover; return; }
  float sky = mix(u_common.x, v_level.x, u_own.x);
  float sigma = mix(u_common.y, v_level.y, u_own.y);
  float sigmas = (total / recorded - sky) / sigma;
  float shade = (bent(sigmas) - bent(u_stretch.x)) / (bent(u_stretch.y) - bent(u_stretch.x));
  shade = clamp(mix(shade, 1.0 - shade, u_stretch.w), 0.0, 1.0);
  vec3 light = texture(u_colours, vec2((shade * 255.0 + 0.5) / 256.0, 0.5)).rgb * v_level.z;
  colour = vec4(light, 1.0) * cover;
}`;

// One triangle over the whole screen; each pixel is copied from the frame.
const WHOLE = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }`;
const COPY = `#version 300 es
precision highp float;
uniform sampler2D u_frame;
out vec4 colour;
void main() { colour = texelFetch(u_frame, ivec2(gl_FragCoord.xy), 0); }`;

const INSTANCE = 12; // floats per CCD: rect, source, level
const TEXTURES_KEPT = 6;

export class MosaicGL {
  // Throws if the browser has no WebGL2. keep : number of texture arrays kept on the graphics card.
  constructor(canvas, { keep = TEXTURES_KEPT } = {}) {
    this.canvas = canvas;
    this.keep = keep;
    this.gl = canvas.getContext('webgl2', { alpha: false, antialias: false, depth: false, powerPreference: 'high-performance' });
    if (!this.gl) throw new Error('this browser has no WebGL2');
    this.start();
  }

  // Also called after the graphics card was reset.
  start() {
    const gl = this.gl;
    this.textures = new Map();
    this.colours = new Map();
    this.program = linked(gl, VERTEX, FRAGMENT);
    this.copying = linked(gl, WHOLE, COPY);
    this.at = Object.fromEntries(['u_centre', 'u_scale', 'u_size', 'u_pixels', 'u_colours', 'u_orientation', 'u_common',
      'u_own', 'u_stretch', 'u_blank'].map(name => [name, gl.getUniformLocation(this.program, name)]));
    this.vertices = gl.createVertexArray();
    this.buffer = gl.createBuffer();
    gl.bindVertexArray(this.vertices);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    for (let i = 0; i < 3; i++) {
      gl.enableVertexAttribArray(i);
      gl.vertexAttribPointer(i, 4, gl.FLOAT, false, INSTANCE * 4, i * 16);
      gl.vertexAttribDivisor(i, 1);
    }
    this.largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  }

  has(key) { return this.textures.has(key); }

  // ---- frames that are not on the screen (frames_ahead.js)

  newFrame() {
    const gl = this.gl;
    const { width, height } = this.canvas;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    for (const side of ['MIN_FILTER', 'MAG_FILTER']) gl.texParameteri(gl.TEXTURE_2D, gl['TEXTURE_' + side], gl.NEAREST);
    const buffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, buffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return { texture, buffer, width, height };
  }

  dropFrame({ texture, buffer }) {
    this.gl.deleteFramebuffer(buffer);
    this.gl.deleteTexture(texture);
  }

  into(buffer) { this.gl.bindFramebuffer(this.gl.FRAMEBUFFER, buffer); }

  // Copies a frame to the screen by drawing it. With a copy between buffers the browser may show an empty screen.
  toScreen({ texture }) {
    const gl = this.gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.useProgram(this.copying);
    gl.bindVertexArray(null);
    gl.disable(gl.BLEND);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // A fence in the queue of commands, and whether the card has passed it.
  mark() {
    const sync = this.gl.fenceSync(this.gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    this.gl.flush();
    return sync;
  }

  finished(sync) {
    const gl = this.gl;
    if (gl.getSyncParameter(sync, gl.SYNC_STATUS) !== gl.SIGNALED) return false;
    gl.deleteSync(sync);
    return true;
  }

  forget() {
    for (const texture of this.textures.values()) this.gl.deleteTexture(texture);
    this.textures.clear();
  }

  // codes: Uint16Array of layers * rows * columns.
  upload(key, codes, columns, rows, layers) {
    const gl = this.gl;
    if (this.textures.has(key)) return this.touch(key);
    if (Math.max(columns, rows) > this.largest) throw new Error(`the graphics card takes ${this.largest} pixels at most`);
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    gl.texImage3D(gl.TEXTURE_2D_ARRAY, 0, gl.R16UI, columns, rows, layers, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, codes);
    for (const [name, value] of [['MIN_FILTER', 'NEAREST'], ['MAG_FILTER', 'NEAREST'], ['WRAP_S', 'CLAMP_TO_EDGE'], ['WRAP_T', 'CLAMP_TO_EDGE']])
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl['TEXTURE_' + name], gl[value]);
    this.textures.set(key, texture);
    for (const old of this.textures.keys()) {
      if (this.textures.size <= this.keep) break;
      gl.deleteTexture(this.textures.get(old));
      this.textures.delete(old);
    }
    return texture;
  }

  touch(key) {
    const texture = this.textures.get(key);
    this.textures.delete(key);
    this.textures.set(key, texture);
    return texture;
  }

  colourTexture(name, table) {
    const gl = this.gl;
    if (!this.colours.has(name)) {
      const texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, table);
      for (const side of ['MIN_FILTER', 'MAG_FILTER']) gl.texParameteri(gl.TEXTURE_2D, gl['TEXTURE_' + side], gl.LINEAR);
      for (const side of ['WRAP_S', 'WRAP_T']) gl.texParameteri(gl.TEXTURE_2D, gl['TEXTURE_' + side], gl.CLAMP_TO_EDGE);
      this.colours.set(name, texture);
    }
    return this.colours.get(name);
  }

  clear(background) {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  // tiles: [{rect:[x,y,w,h], layer, columns, rows, sky, sigma, brightness}] in codes; how: see the uniforms.
  draw(key, tiles, view, how) {
    const gl = this.gl;
    gl.useProgram(this.program);
    this.bindTiles(tiles);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.touch(key));
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.colourTexture(how.colourName, how.colours));
    gl.activeTexture(gl.TEXTURE0);
    gl.uniform1i(this.at.u_pixels, 0);
    gl.uniform1i(this.at.u_colours, 1);
    gl.uniform2f(this.at.u_centre, view.x, view.y);
    gl.uniform1f(this.at.u_scale, view.scale);
    gl.uniform2f(this.at.u_size, this.canvas.width, this.canvas.height);
    gl.uniformMatrix3fv(this.at.u_orientation, false, how.orientation);
    gl.uniform2f(this.at.u_common, how.sky, how.sigma);
    gl.uniform2f(this.at.u_own, how.ownSky ? 1 : 0, how.ownSigma ? 1 : 0);
    gl.uniform4f(this.at.u_stretch, how.low, how.high, how.softening, how.invert ? 1 : 0);
    gl.uniform4f(this.at.u_blank, ...how.blank, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, tiles.length);
  }

  bindTiles(tiles) {
    const gl = this.gl;
    const data = new Float32Array(tiles.length * INSTANCE);
    tiles.forEach((tile, i) => data.set([...tile.rect, tile.layer, tile.columns, tile.rows, 0, tile.sky, tile.sigma, tile.brightness ?? 1, 0], i * INSTANCE));
    gl.bindVertexArray(this.vertices);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STREAM_DRAW);
  }

  destroy() {
    for (const texture of [...this.textures.values(), ...this.colours.values()]) this.gl.deleteTexture(texture);
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

export function linked(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program));
  return program;
}
