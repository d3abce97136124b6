// @ts-check
// The shaders of the map: points as discs with soft edges (large ones with a letter), rings, and the frame around the 3-D
// cloud.

export const FLAT = 0, SOLID = 1, CODE = 2, STATE = 3;              // locations of the attributes
export const ATLAS = 16;                                           // glyphs: 16 x 16 cells, one for each code
export const CONTEXT = 0, QUIET = 1, LOUD = 2, RING = 3;          // passes, in the order in which they are drawn

export const VERTEX = `#version 300 es
precision highp float;
precision highp int;
layout(location=${FLAT}) in vec2 aFlat;
layout(location=${SOLID}) in vec3 aSolid;
layout(location=${CODE}) in uint aCode;
layout(location=${STATE}) in uint aState;
uniform mat3 uRotation;
uniform vec2 uHalf;        // half the picture, CSS pixels
uniform vec2 uOffset;
uniform float uScale, uMorph, uEye, uSize, uRatio, uAlpha;
uniform bool uSelection, uIsolated, uRim;
uniform int uPass;
uniform sampler2D uPalette;
out vec4 vColour;
out float vSize;
out float vRim;
flat out uint vCode;
const float UNIT = 65535.0 / 32500.0;
void hide() { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); gl_PointSize = 1.0; }
void main() {
  vec4 entry = texelFetch(uPalette, ivec2(int(aCode), 0), 0);
  bool selected = (aState & 1u) == 1u;
  // Selected points are always loud. Of the others, an isolated class keeps its colour.
  bool context = !selected && (entry.a < 0.25 || (uSelection && !uIsolated));
  bool quiet = !selected && (entry.a < 0.75 || uSelection);
  int rank = context ? ${CONTEXT} : quiet ? ${QUIET} : ${LOUD};
  if (uPass < ${RING} && rank != uPass) { hide(); return; }
  if ((uMorph < 1.0 && aFlat.x > 0.9999) || (uMorph > 0.0 && aSolid.x > 0.9999)) { hide(); return; }
  vec3 v = uRotation * (aSolid * UNIT - 1.0);
  float near = uEye / (uEye - v.z);
  vec2 q = mix(aFlat * UNIT - 1.0, v.xy * near, uMorph);
  gl_Position = vec4((uScale * q + vec2(uOffset.x, -uOffset.y)) / uHalf, -0.5 * v.z * uMorph, 1.0);
  // Depth: far points are smaller and fainter.
  float depth = uMorph * clamp(0.5 - 0.5 * v.z / 1.1, 0.0, 1.0);
  float size = uSize * mix(1.0, near, uMorph);
  vec3 colour = entry.rgb;
  float alpha = uAlpha;
  vRim = 0.0;
  if (uPass == ${CONTEXT}) { colour = vec3(0.27, 0.31, 0.36); alpha *= 0.5; size *= 0.82; }
  else if (uPass == ${QUIET}) { alpha *= 0.75; size *= 0.9; }
  else if (uPass == ${LOUD} && selected) { size *= 1.25; alpha = max(alpha, 0.9); vRim = uRim ? 1.0 : 0.0; }
  else if (uPass == ${RING}) { alpha = 1.0; size = max(size + 6.0, 9.0); }
  if (uPass < ${RING}) colour = mix(colour, vec3(0.051, 0.067, 0.09), (selected && uSelection ? 0.4 : 0.55) * depth);
  else alpha *= 1.0 - 0.5 * depth;
  // A point smaller than a pixel is drawn as one fainter pixel.
  float pixels = size * uRatio;
  alpha *= min(1.0, pixels * pixels);
  vSize = max(pixels, 1.0);
  gl_PointSize = vSize + 1.5;
  vColour = vec4(colour, alpha);
  vCode = aCode;
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
in vec4 vColour;
in float vSize;
in float vRim;
flat in uint vCode;
uniform int uPass;
uniform float uRatio, uRingWidth, uRingAlpha;
uniform bool uSolid;
uniform sampler2D uGlyphs;
out vec4 ink;
void main() {
  vec2 place = (gl_PointCoord - 0.5) * (vSize + 1.5);
  float r = length(place), edge = 0.5 * vSize;
  float cover = clamp(edge + 0.5 - r, 0.0, 1.0);
  vec3 colour = vColour.rgb;
  if (uPass == ${RING}) {
    float inner = edge - 3.0 * uRatio;
    float ring = clamp(r - edge + uRingWidth * uRatio + 0.5, 0.0, 1.0) * uRingAlpha;
    float disc = clamp(inner + 0.5 - r, 0.0, 1.0);
    colour = mix(colour, vec3(1.0), ring);
    cover *= max(ring, disc);
  } else {
    float size = vSize / uRatio;
    if (vRim > 0.0 && size > 4.0) colour = mix(colour, vec3(1.0), clamp(r - edge + 1.1 * uRatio, 0.0, 1.0) * 0.9);
    if (uPass != ${CONTEXT} && size > 11.0) {
      vec2 cell = vec2(float(vCode % ${ATLAS}u), float(vCode / ${ATLAS}u));
      vec2 within = clamp(place / vSize + 0.5, 0.02, 0.98);
      float glyph = texture(uGlyphs, (cell + within) / ${ATLAS}.0).a;
      colour = mix(colour, vec3(0.03, 0.04, 0.06), glyph * clamp((size - 11.0) / 2.0, 0.0, 1.0) * 0.85);
    }
  }
  float alpha = vColour.a * cover;
  if (uSolid && alpha < 0.25) discard;
  ink = vec4(colour * alpha, alpha);
}`;

export const FRAME_VERTEX = `#version 300 es
precision highp float;
precision highp int;
layout(location=0) in vec3 aCorner;
uniform mat3 uRotation;
uniform vec2 uHalf, uOffset;
uniform float uScale, uMorph, uEye;
out float vDepth;
void main() {
  vec3 v = uRotation * aCorner;
  vec2 q = v.xy * uEye / (uEye - v.z);
  vDepth = clamp(0.5 - 0.4 * v.z, 0.0, 1.0);
  gl_Position = vec4((uScale * q + vec2(uOffset.x, -uOffset.y)) / uHalf, 0.0, 1.0);
}`;
export const FRAME_FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
in float vDepth;
uniform float uMorph;
out vec4 ink;
void main() { float a = uMorph * mix(0.4, 0.1, vDepth); ink = vec4(vec3(0.30, 0.34, 0.40) * a, a); }`;
