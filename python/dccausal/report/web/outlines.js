// The borders of chosen pixels as smooth lines, as explanation/outlines.py draws them.

const ROUND = 0.036;
const STEPS_OF = [[1, 0], [0, 1], [-1, 0], [0, -1]]; // to the right, down, to the left, up

// The corners of each border, [x, y] in pixels of the model, what is chosen on the right; `joined` takes pixels that touch
// at a corner as one piece.
function bordersOf([rows, columns], chosen, joined) {
  const wide = columns + 1;
  const ways = new Uint8Array(wide * (rows + 1)); // a bit for each direction in which an edge leaves
  const at = (row, column) =>
    (row >= 0 && column >= 0 && row < rows && column < columns ? chosen[row * columns + column] : 0);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (!chosen[row * columns + column]) continue;
      const place = row * wide + column;
      if (!at(row - 1, column)) ways[place] |= 1;
      if (!at(row, column + 1)) ways[place + 1] |= 2;
      if (!at(row + 1, column)) ways[place + wide + 1] |= 4;
      if (!at(row, column - 1)) ways[place + wide] |= 8;
    }
  }
  const moves = [1, wide, -1, -wide];
  const turn = joined ? 3 : 1;
  const borders = [];
  for (let first = 0; first < ways.length; first++) {
    while (ways[first]) {
      const begun = Math.log2(ways[first] & -ways[first]);
      const corners = [];
      let place = first;
      let way = begun;
      let last = -1;
      for (;;) {
        if (way !== last) corners.push([place % wide, Math.floor(place / wide)]);
        ways[place] &= ~(1 << way);
        place += moves[way];
        last = way;
        const turned = (way + turn) % 4;
        if (!ways[place] || (place === first && turned === begun)) break;
        way = ways[place] & (1 << turned) ? turned : Math.log2(ways[place] & -ways[place]);
      }
      if (last === begun) corners.shift(); // the trace began in the middle of a side
      borders.push(corners);
    }
  }
  return borders;
}

// A path around chosen pixels on the canvas; `inset` is how far inside it runs, negative outside.
function pathAround(shape, chosen, [left, top, right, bottom], { inset = 0, margin = 0, size }) {
  const path = new Path2D();
  const step = [(right - left) / shape[1], (bottom - top) / shape[0]];
  const radius = ROUND * Math.min(right - left, bottom - top);
  for (const corners of bordersOf(shape, chosen, inset < 0)) {
    const n = corners.length;
    const headings = corners.map(([x, y], i) => {
      const [nextX, nextY] = corners[(i + 1) % n];
      return [Math.sign(nextX - x), Math.sign(nextY - y)];
    });
    const lengths = corners.map(([x, y], i) => {
      const [nextX, nextY] = corners[(i + 1) % n];
      return Math.abs(nextX - x) * step[0] + Math.abs(nextY - y) * step[1];
    });
    const reach = Math.sign(inset) * Math.min(Math.abs(inset), 0.35 * Math.min(...lengths));
    const points = corners.map(([x, y], i) => {
      const [before, after] = [headings[(i + n - 1) % n], headings[i]];
      const moved = [left + x * step[0] - reach * (before[1] + after[1]), top + y * step[1] + reach * (before[0] + after[0])];
      return moved.map((value, axis) => Math.min(Math.max(value, margin), Math.max(margin, size[axis] - margin)));
    });
    points.forEach((point, i) => {
      const [before, after] = [headings[(i + n - 1) % n], headings[i]];
      const between = (other) => Math.abs(points[other][0] - point[0]) + Math.abs(points[other][1] - point[1]);
      const room = Math.min(radius, between((i + n - 1) % n) / 2, between((i + 1) % n) / 2);
      const start = [point[0] - room * before[0], point[1] - room * before[1]];
      if (i === 0) path.moveTo(...start);
      else path.lineTo(...start);
      path.quadraticCurveTo(...point, point[0] + room * after[0], point[1] + room * after[1]);
    });
    path.closePath();
  }
  return path;
}

// White lines with dark edges around nested sets, outermost first, `bold` (one of them, or null) widest.
function drawLines(to, shape, sets, bold, box, share) {
  const size = [to.canvas.width, to.canvas.height];
  const scale = share * Math.max(1, Math.sqrt(size[0] * size[1]) / 520);
  const at = sets.indexOf(bold);
  const main = at < 0 ? Math.floor(sets.length / 2) : at;
  const lines = sets.map((chosen, i) => {
    const width = (i === at ? 2.8 : 1.2) * scale;
    const inset = (i - main) * 4.2 * scale;
    const margin = width / 2 + Math.max(0, inset);
    return { width, path: pathAround(shape, chosen, box, { inset, margin, size }), isBold: i === at };
  });
  lines.sort((a, b) => a.isBold - b.isBold);
  to.lineJoin = 'round';
  for (const { width, path } of lines) {
    to.strokeStyle = 'rgba(12, 12, 12, 0.62)';
    to.lineWidth = width + 2 * scale;
    to.stroke(path);
  }
  for (const { width, path, isBold } of lines) {
    to.strokeStyle = isBold ? '#ffffff' : 'rgba(255, 255, 255, 0.9)';
    to.lineWidth = width;
    to.stroke(path);
  }
}

// The sets without those that are empty or the same as another.
function distinctSets(sets) {
  return sets.filter((set, i) => set.some(Boolean) &&
    !sets.slice(0, i).some((other) => other === set || other.every((bit, j) => bit === set[j])));
}
