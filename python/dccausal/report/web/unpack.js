// What is packed of a photograph, and its unpacking: base64, zlib, JPEG. Nothing is read back from a canvas, since
// some browsers falsify that; so the order of the pixels is exact everywhere.

async function packedOf(index) {
  const id = `packed-${index}`;
  for (;;) {
    const block = byId(id);
    if (block && (block.nextElementSibling || document.readyState !== 'loading')) {
      return JSON.parse(block.textContent);
    }
    if (document.readyState !== 'loading') throw new Error('this photograph is missing from the file');
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

async function inflate(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function pictureOf(text) {
  return createImageBitmap(new Blob([bytesOf(text)], { type: 'image/jpeg' }));
}

// The level of each pixel: planes of bytes, high first, each step the difference to the pixel above.
function levelsFrom(planes, nBytes, height, width) {
  const n = height * width;
  const modulus = 2 ** (8 * nBytes);
  const levels = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    let step = 0;
    for (let plane = 0; plane < nBytes; plane++) step = step * 256 + planes[plane * n + i];
    levels[i] = i < width ? step : (levels[i - width] + step) % modulus;
  }
  return levels;
}

// The pixels, best first; those of one level in the order of their indices, as Explanation.ranking has them.
function rankingFrom(levels, nLevels) {
  const starts = new Uint32Array(nLevels + 1);
  for (const level of levels) starts[level + 1]++;
  for (let level = 0; level < nLevels; level++) starts[level + 1] += starts[level];
  const ranking = new Uint32Array(levels.length);
  for (let i = 0; i < levels.length; i++) ranking[starts[levels[i]]++] = i;
  return ranking;
}

function bitsFrom(bytes, n) {
  const bits = new Uint8Array(n);
  for (let i = 0; i < n; i++) bits[i] = (bytes[i >> 3] >> (7 - (i & 7))) & 1;
  return bits;
}

async function unpack(item) {
  const packed = await packedOf(item.index);
  const [height, width] = item.shape;
  const [photo, planes, tones, kept, baseline, region, ...nested] = await Promise.all([
    pictureOf(packed.photo),
    inflate(packed.levels),
    inflate(packed.tones),
    inflate(packed.kept),
    packed.baseline ? pictureOf(packed.baseline) : null,
    packed.region ? inflate(packed.region) : null,
    ...packed.nested.map(inflate),
  ]);
  const levels = levelsFrom(planes, packed.n_bytes, height, width);
  return {
    item, packed, photo, baseline, levels, tones,
    kept: bitsFrom(kept, height * width),
    region: region ? bitsFrom(region, item.target.shape[0] * item.target.shape[1]) : null,
    nested: nested.map((bytes) => bitsFrom(bytes, height * width)),
    ranking: rankingFrom(levels, tones.length),
  };
}

// The best share of the pixels, as one byte a pixel.
function bestOf(unpacked, share) {
  const chosen = new Uint8Array(unpacked.ranking.length);
  const n = Math.round(share * chosen.length);
  for (let i = 0; i < n; i++) chosen[unpacked.ranking[i]] = 1;
  return chosen;
}
