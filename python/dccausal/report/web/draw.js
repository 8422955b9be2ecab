// The views of a photograph, drawn on a canvas: overlay, heatmap, explanation, masked picture, photograph, causal tree.

const VIEWS = [
  ['overlay', 'Overlay'], ['heatmap', 'Heatmap'], ['explanation', 'Explanation'],
  ['masked', 'Masked'], ['photograph', 'Photo'], ['tree', 'Causal tree'],
];

// Inferno, by Nathaniel Smith and Stefan van der Walt (CC0), at 17 places.
const INFERNO = ('000004 0b0724 210c4a 3c0965 57106d 70196e 89226a a32b61 bb3755 d14644 e35932 f1711e f98d0a fcab0f ' +
  'f9ca32 f2e865 fcffa4').split(' ').map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

function infernoAt(tone) {
  const at = Math.min(15.999, (tone / 255) * 16);
  const low = INFERNO[Math.floor(at)];
  const high = INFERNO[Math.floor(at) + 1];
  return low.map((channel, i) => Math.round(channel + (at % 1) * (high[i] - channel)));
}

function canvasOf(width, height) {
  const made = document.createElement('canvas');
  made.width = width;
  made.height = height;
  return made;
}

// A picture of the model's size; colour(i) gives [r, g, b, opacity of 255] of pixel i.
function painted([height, width], colour) {
  const made = canvasOf(width, height);
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) pixels.data.set(colour(i), 4 * i);
  made.getContext('2d').putImageData(pixels, 0, 0);
  return made;
}

function layered(layer, width, height, draw) {
  const made = canvasOf(width, height);
  const context = made.getContext('2d');
  draw(context);
  layer.drawImage(made, 0, 0);
}

// Draws on `canvas`, whose longer side becomes `longest`; `chosen` has a byte a pixel, null outlines nothing; `levels` are
// outlined beside it; `shown` is the tree, and what is chosen of it. `isSeen` shows what the model saw and nothing else.
function draw(canvas, unpacked, view, chosen, longest, { shown = null, levels = [], isSeen = false } = {}) {
  const { item, photo } = unpacked;
  const [width, height, box] = isSeen ? seenOf(item, longest) : wholeOf(item, longest);
  const [left, top, right, bottom] = box;
  const put = (context, picture, smooth) => {
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = 'high';
    context.drawImage(picture, left, top, right - left, bottom - top);
  };
  canvas.width = width;
  canvas.height = height;
  const to = canvas.getContext('2d');
  const scale = [(right - left) / (item.box[2] - item.box[0]), (bottom - top) / (item.box[3] - item.box[1])];
  const origin = [left - item.box[0] * scale[0], top - item.box[1] * scale[1]];
  const all = (context) => context.drawImage(photo, ...origin, item.photo[0] * scale[0], item.photo[1] * scale[1]);
  const grey = (context, share = 1) => {
    all(context);
    context.globalCompositeOperation = 'saturation';
    context.fillStyle = `rgba(128, 128, 128, ${share})`;
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = 'source-over';
  };
  const photoWhereChosen = (smooth) => {
    if (!smooth) {
      layered(to, width, height, (context) => {
        put(context, painted(item.shape, (i) => [0, 0, 0, chosen[i] * 255]), false);
        context.globalCompositeOperation = 'source-in';
        all(context);
      });
      return;
    }
    to.save();
    to.clip(pathAround(item.shape, chosen, box, { size: [width, height] }));
    all(to);
    to.restore();
  };
  to.imageSmoothingQuality = 'high';
  if (view === 'photograph') all(to);
  if (view === 'overlay') {
    grey(to, 0.5);
    drawHeat(to, unpacked, put);
  }
  if (view === 'heatmap') put(to, heatOf(unpacked, () => 255), false);
  if (view === 'tree') {
    grey(to);
    paintTree(to, shown, item.shape, box);
  }
  if (view === 'explanation') {
    grey(to);
    to.fillStyle = 'rgba(0, 0, 0, 0.62)';
    to.fillRect(0, 0, width, height);
    photoWhereChosen(true);
  }
  if (view === 'masked') {
    if (unpacked.baseline) put(to, unpacked.baseline, true);
    else {
      to.fillStyle = `rgb(${item.colour.join(',')})`;
      to.fillRect(left, top, right - left, bottom - top);
    }
    photoWhereChosen(false);
  }
  if (view !== 'photograph') dimUnseen(to, grey, box, width, height, view === 'overlay' ? 0.6 : 0.84);
  if (chosen && (view === 'overlay' || view === 'explanation' || view === 'heatmap')) {
    const sets = distinctSets([...levels, chosen]);
    const bold = sets.find((set) => set.every((bit, i) => bit === chosen[i])) || null;
    drawLines(to, item.shape, sets, bold, box, view === 'explanation' ? 0.7 : 1);
  }
  if (view !== 'masked' && view !== 'tree') {
    drawTarget(to, unpacked, ([x, y]) => [origin[0] + x * scale[0], origin[1] + y * scale[1]], box);
  }
}

// Width and height of a canvas for the whole photograph, and where on it the model's image lies.
function wholeOf(item, longest) {
  const scale = longest / Math.max(...item.photo);
  const [width, height] = item.photo.map((side) => Math.max(1, Math.round(side * scale)));
  return [width, height, item.box.map((side) => side * scale)];
}

// The same for what the model saw alone, as it saw it.
function seenOf(item, longest) {
  const scale = longest / Math.max(...item.shape);
  const [height, width] = item.shape.map((side) => Math.max(1, Math.round(side * scale)));
  return [width, height, [0, 0, width, height]];
}

function heatOf(unpacked, opacity) {
  const { levels, tones, item } = unpacked;
  const table = Array.from({ length: 256 }, (_, tone) => [...infernoAt(tone), opacity(tone / 255)]);
  return painted(item.shape, (i) => table[tones[levels[i]]]);
}

// The tone of each pixel, slightly blurred: the seams of the random cuts are no finding.
function smoothTones({ levels, tones, item }) {
  const [height, width] = item.shape;
  const radius = Math.max(1, Math.round(Math.max(height, width) / 80));
  const blurred = Float32Array.from(levels, (level) => tones[level]);
  const line = new Float32Array(Math.max(height, width));
  const blur = (start, step, n) => {
    let sum = 0;
    const at = (i) => blurred[start + step * Math.min(n - 1, Math.max(0, i))];
    for (let i = -radius; i <= radius; i++) sum += at(i);
    for (let i = 0; i < n; i++) {
      line[i] = sum / (2 * radius + 1);
      sum += at(i + radius + 1) - at(i - radius);
    }
    for (let i = 0; i < n; i++) blurred[start + step * i] = line[i];
  };
  for (let pass = 0; pass < 2; pass++) {
    for (let row = 0; row < height; row++) blur(row * width, 1, width);
    for (let column = 0; column < width; column++) blur(column, width, height);
  }
  return blurred.map((tone) => Math.min(255, Math.max(0, Math.round(tone))));
}

// As pictures.overlay does it: heat begins at nothing.
function drawHeat(to, unpacked, put) {
  const tones = smoothTones(unpacked);
  const ease = (level) => level * level * (3 - 2 * level);
  const table = Array.from({ length: 256 }, (_, tone) =>
    [...infernoAt(255 * (0.25 + 0.75 * (tone / 255))), 255 * 0.65 * ease(tone / 255)]);
  put(to, painted(unpacked.item.shape, (i) => table[tones[i]]), true);
}

// What the model did not see (a crop) is grey and dark.
function dimUnseen(to, grey, [left, top, right, bottom], width, height, darkness) {
  if (left <= 0.5 && top <= 0.5 && right >= width - 0.5 && bottom >= height - 0.5) return;
  layered(to, width, height, (context) => {
    grey(context);
    context.fillStyle = `rgba(0, 0, 0, ${darkness})`;
    context.fillRect(0, 0, width, height);
    context.clearRect(left, top, right - left, bottom - top);
  });
}
