// The list of photographs: search, filters, order, and pictures that are drawn when they come into view.

const NEAR = '600px';
const CARD_PIXELS = 420;
const AT_ONCE = 3;
const LOOKS = [['overlay', 'Overlay'], ['explanation', 'Explanation'], ['photograph', 'Photo']];
const RANGES = {
  size: [['', 'Any'], ['0-0.01', 'Under 1 %'], ['0.01-0.05', '1 to 5 %'], ['0.05-0.2', '5 to 20 %'], ['0.2-2', '20 % and more']],
  score: [['', 'Any'], ['0-0.5', 'Under 0.5'], ['0.5-0.9', '0.5 to 0.9'], ['0.9-1e9', '0.9 and more']],
};
const ORDERS = [
  ['index', 'Order of the run'], ['file', 'File name'], ['label', 'Label'], ['size', 'Pixels kept'],
  ['score', 'Score'], ['explanation_score', 'Score of the explanation alone'], ['outcome', 'Outcome'], ['truth', 'Right or wrong'],
];

function makeGallery(about, open) {
  const { items } = about;
  const grid = byId('grid');
  const cards = items.map((item) => makeCard(item, about));
  const state = { look: 'overlay', descending: false, shown: items, last: 0 };
  const pictures = makePictures(cards, items, () => state.look);

  const options = (id, pairs) => byId(id).replaceChildren(
    ...pairs.map(([value, textContent]) => element('option', { value, textContent })));
  const tally = (of) => {
    const counts = new Map();
    for (const item of items) counts.set(of(item), (counts.get(of(item)) || 0) + 1);
    return [...counts];
  };
  const labels = tally((item) => labelName(item)).filter(([name]) => name !== '');
  labels.sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  options('by-label', [['', 'Any'], ...labels.map(([name, n]) => [`=${name}`, `${name} (${n})`])]);
  options('by-outcome', [['', 'Any'], ...tally(outcomeOf).map(([name, n]) => [name, `${name} (${n})`])]);
  options('by-truth', [['', 'Any'], ...tally(truthOf).map(([name, n]) => [name, `${name} (${n})`])]);
  options('by-size', RANGES.size);
  options('by-score', RANGES.score);
  options('sort', ORDERS.filter(([key]) => key !== 'truth' || about.has_truth));
  byId('truth-tool').hidden = !about.has_truth;

  const inRange = (value, range) => {
    if (range === '') return true;
    const [low, high] = range.split('-').map(Number);
    return value !== null && value !== undefined && value >= low && value < high;
  };
  const searched = new Map(items.map((item) => [item, [
    item.path, item.file, item.name, item.label, item.target && item.target.title, item.error, item.message, item.truth && item.truth.label,
    ...(item.notes || []),
  ].filter((part) => part !== null && part !== undefined).join('\n').toLowerCase()]));

  function matches(item) {
    const words = byId('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const label = byId('by-label').value;
    const outcome = byId('by-outcome').value;
    const truth = byId('by-truth').value;
    return words.every((word) => searched.get(item).includes(word)) &&
      (label === '' || label === `=${labelName(item)}`) &&
      (outcome === '' || outcome === outcomeOf(item)) &&
      (truth === '' || truth === truthOf(item)) &&
      inRange(item.size, byId('by-size').value) && inRange(item.score, byId('by-score').value);
  }

  function keyOf(item, key) {
    if (key === 'label') return labelName(item) || null;
    if (key === 'outcome') return outcomeOf(item);
    if (key === 'truth') return truthOf(item);
    return item[key] === undefined ? null : item[key];
  }

  function compare(a, b) {
    const key = byId('sort').value;
    const [left, right] = [keyOf(a, key), keyOf(b, key)];
    if (left === null || right === null) return (left === null) - (right === null) || a.index - b.index; // last, always
    const sign = state.descending ? -1 : 1;
    const order = typeof left === 'string' ? left.localeCompare(right, 'en', { numeric: true }) : left - right;
    return sign * order || a.index - b.index;
  }

  function update() {
    state.shown = items.filter(matches).sort(compare);
    grid.replaceChildren(...state.shown.map((item) => cards[item.index]));
    const name = about.n_photographs < items.length ? 'explanation' : 'photograph';
    const all = plural(items.length, name, `${name}s`);
    byId('count').textContent = state.shown.length === items.length ? all : `${count(state.shown.length)} of ${all}`;
    byId('nothing').hidden = state.shown.length > 0;
    byId('direction').textContent = state.descending ? 'Descending' : 'Ascending';
  }

  for (const control of byId('tools').elements) control.addEventListener('input', update);
  byId('tools').addEventListener('submit', (event) => event.preventDefault());
  byId('direction').addEventListener('click', () => {
    state.descending = !state.descending;
    update();
  });
  byId('filters').addEventListener('click', () => {
    const isOpen = byId('tools').classList.toggle('is-open');
    byId('filters').setAttribute('aria-expanded', String(isOpen));
  });
  byId('clear').addEventListener('click', () => {
    byId('tools').reset();
    update();
    byId('search').focus();
  });
  makeSegments(byId('look'), LOOKS, state.look, (look) => {
    state.look = look;
    pictures.redraw();
  });
  grid.addEventListener('click', (event) => {
    const card = event.target.closest('a');
    if (!card || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(Number(card.dataset.index));
  });
  grid.addEventListener('keydown', (event) => moveFocus(event, grid));
  update();
  return {
    state,
    focus: (index) => {
      const card = cards[index].querySelector('a');
      card.focus();
      card.scrollIntoView({ block: 'nearest' });
    },
    drawAll: () => pictures.drawAll(state.shown),
  };
}

function makeCard(item, about) {
  const frame = element('div', { className: 'card-picture' });
  const heading = item.error === null ? targetTitle(item) : 'Not explained';
  const card = element('a', { className: 'card', href: `#photograph-${item.index + 1}`, 'data-index': item.index }, frame,
    element('span', { className: 'card-title', dir: 'auto', textContent: heading }),
    element('span', { className: 'card-file quiet', dir: 'auto', textContent: item.file || 'in memory' }));
  card.dataset.index = item.index;
  if (item.error === null) {
    frame.append(element('canvas', { width: 4, height: 4 }));
    frame.firstChild.setAttribute('aria-hidden', 'true');
    card.append(element('span', { className: 'card-numbers' },
      element('span', { textContent: `${percent(item.size)} kept` }),
      element('span', { className: isWeak(item.explanation_score, item.score) ? 'is-low' : 'quiet',
        textContent: alone(item.explanation_score, item.score) })));
  } else {
    card.classList.add('is-failed');
    frame.append(element('span', { className: 'card-error', dir: 'auto', textContent: item.message || item.error }));
  }
  const marks = element('span', { className: 'marks' });
  if (about.has_truth && truthOf(item) !== 'unknown') {
    marks.append(element('span', { className: `mark is-${truthOf(item)}`, textContent: truthOf(item) }));
  }
  if (outcomeOf(item) !== 'minimal') marks.append(element('span', { className: 'mark', textContent: outcomeOf(item) }));
  if (marks.childElementCount) card.append(marks);
  return element('li', {}, card);
}

// Draws the pictures of cards near the window, a few at once, and gives up those far away.
function makePictures(cards, items, look) {
  const near = new Set();
  const drawn = new Map();
  let n = 0;

  async function drawCard(index, view) {
    const canvas = cards[index].querySelector('canvas');
    const unpacked = await unpack(items[index]);
    draw(canvas, unpacked, view, unpacked.kept, CARD_PIXELS, { isSeen: true });
    unpacked.photo.close();
    drawn.set(index, view);
    canvas.classList.add('is-drawn');
  }

  async function work() {
    if (n >= AT_ONCE) return;
    n++;
    for (;;) {
      const index = [...near].find((other) => drawn.get(other) !== look());
      if (index === undefined) break;
      const view = look();
      drawn.set(index, view);
      await drawCard(index, view).catch((error) => fail(cards[index], error));
    }
    n--;
  }

  const watcher = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      const index = Number(target.querySelector('a').dataset.index);
      if (items[index].error !== null) continue;
      if (isIntersecting) near.add(index);
      else {
        near.delete(index);
        release(index);
      }
    }
    for (let i = 0; i < AT_ONCE; i++) work();
  }, { rootMargin: NEAR });
  for (const card of cards) watcher.observe(card);

  function release(index) {
    if (!drawn.delete(index)) return;
    const canvas = cards[index].querySelector('canvas');
    [canvas.width, canvas.height] = [4, 4];
    canvas.classList.remove('is-drawn');
  }

  return {
    redraw: () => {
      for (let i = 0; i < AT_ONCE; i++) work();
    },
    drawAll: async (shown) => {
      for (const { index, error } of shown) if (error === null && drawn.get(index) !== look()) await drawCard(index, look());
    },
  };
}

function fail(card, error) {
  const frame = card.querySelector('.card-picture');
  frame.replaceChildren(element('span', { className: 'card-error', textContent: `Cannot be shown: ${error.message}` }));
}

function moveFocus(event, grid) {
  const links = [...grid.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const top = links[0].getBoundingClientRect().top;
  const columns = Math.max(1, links.findIndex((link) => link.getBoundingClientRect().top > top + 4));
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: links.length - 1 - at };
  const to = links[at + steps[event.key]];
  if (!to) return;
  event.preventDefault();
  to.focus();
}
