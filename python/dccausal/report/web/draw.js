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

// Draws on `canvas`, whose longer side becomes `longest`; `chosen` has a byte a pixel, null outlines nothing; `shown` is
// the tree, and what is chosen of it.
function draw(canvas, unpacked, view, chosen, longest, shown) {
  const { item, photo } = unpacked;
  const scale = longest / Math.max(...item.photo);
  const width = Math.max(1, Math.round(item.photo[0] * scale));
  const height = Math.max(1, Math.round(item.photo[1] * scale));
  const [left, top, right, bottom] = item.box.map((side) => side * scale);
  const put = (context, picture, smooth) => {
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = 'high';
    context.drawImage(picture, left, top, right - left, bottom - top);
  };
  canvas.width = width;
  canvas.height = height;
  const to = canvas.getContext('2d');
  const all = (context) => context.drawImage(photo, 0, 0, width, height);
  const grey = (context) => {
    all(context);
    context.globalCompositeOperation = 'saturation';
    context.fillStyle = '#808080';
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = 'source-over';
  };
  const within = (mask, smooth, fill) => layered(to, width, height, (context) => {
    put(context, mask, smooth);
    context.globalCompositeOperation = 'source-in';
    fill(context);
  });
  const photoWhereChosen = () => within(painted(item.shape, (i) => [0, 0, 0, chosen[i] * 255]), false, all);
  to.imageSmoothingQuality = 'high';
  if (view === 'photograph') all(to);
  if (view === 'overlay') drawOverlay(to, unpacked, { all, grey, put, width, height });
  if (view === 'heatmap') put(to, heatOf(unpacked, () => 255), false);
  if (view === 'tree') {
    grey(to);
    paintTree(to, shown, item.shape, [left, top, right, bottom]);
  }
  if (view === 'explanation') {
    grey(to);
    to.fillStyle = 'rgba(0, 0, 0, 0.62)';
    to.fillRect(0, 0, width, height);
    photoWhereChosen();
  }
  if (view === 'masked') {
    if (unpacked.baseline) put(to, unpacked.baseline, true);
    else {
      to.fillStyle = `rgb(${item.colour.join(',')})`;
      to.fillRect(left, top, right - left, bottom - top);
    }
    photoWhereChosen();
  }
  if (view !== 'photograph') hatchUnseen(to, grey, [left, top, right, bottom], width, height);
  if (view !== 'photograph' && view !== 'masked' && chosen) outline(to, item.shape, chosen, [left, top, right, bottom]);
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

// As pictures.overlay does it: hot places opaque, and grey beneath, or an orange animal would pass for a hot one.
function drawOverlay(to, unpacked, { all, grey, put, width, height }) {
  const { item } = unpacked;
  const tones = smoothTones(unpacked);
  const ease = (level) => level * level * (3 - 2 * level);
  all(to);
  const veil = painted(item.shape, (i) => [0, 0, 0, 255 * Math.min(1, 1.5 * ease(tones[i] / 255))]);
  const greyed = canvasOf(width, height);
  grey(greyed.getContext('2d'));
  layered(to, width, height, (context) => {
    put(context, veil, true);
    context.globalCompositeOperation = 'source-in';
    context.drawImage(greyed, 0, 0);
  });
  const table = Array.from({ length: 256 }, (_, tone) =>
    [...infernoAt(255 * (0.25 + 0.75 * (tone / 255))), 255 * 0.75 * ease(tone / 255)]);
  put(to, painted(item.shape, (i) => table[tones[i]]), true);
}

// Parts that the model did not see (a crop) are grey, dark and hatched.
function hatchUnseen(to, grey, [left, top, right, bottom], width, height) {
  if (left <= 0.5 && top <= 0.5 && right >= width - 0.5 && bottom >= height - 0.5) return;
  layered(to, width, height, (context) => {
    grey(context);
    context.fillStyle = 'rgba(0, 0, 0, 0.76)';
    context.fillRect(0, 0, width, height);
    const period = Math.max(8, Math.round(Math.min(width, height) / 40));
    context.strokeStyle = 'rgba(0, 0, 0, 0.55)';
    context.lineWidth = period / 5;
    context.beginPath();
    for (let x = -height; x < width; x += period) {
      context.moveTo(x, height);
      context.lineTo(x + height, 0);
    }
    context.stroke();
    context.clearRect(left, top, right - left, bottom - top);
  });
}

// A white line with dark edges along the border of the chosen pixels.
function outline(to, [rows, columns], chosen, [left, top, right, bottom]) {
  const x = (column) => left + ((right - left) * column) / columns;
  const y = (row) => top + ((bottom - top) * row) / rows;
  const at = (row, column) =>
    row >= 0 && column >= 0 && row < rows && column < columns ? chosen[row * columns + column] : 0;
  to.beginPath();
  for (let row = 0; row <= rows; row++) {
    for (let column = 0; column < columns; column++) {
      const start = column;
      while (column < columns && at(row - 1, column) !== at(row, column)) column++;
      if (column > start) to.moveTo(x(start), y(row)), to.lineTo(x(column), y(row));
    }
  }
  for (let column = 0; column <= columns; column++) {
    for (let row = 0; row < rows; row++) {
      const start = row;
      while (row < rows && at(row, column - 1) !== at(row, column)) row++;
      if (row > start) to.moveTo(x(column), y(start)), to.lineTo(x(column), y(row));
    }
  }
  const line = Math.max(1.2, Math.min(to.canvas.width, to.canvas.height) / 260);
  to.lineCap = 'square';
  to.strokeStyle = 'rgba(16, 16, 16, 0.85)';
  to.lineWidth = 2.4 * line;
  to.stroke();
  to.strokeStyle = '#ffffff';
  to.lineWidth = line;
  to.stroke();
}
