// One photograph: its views, the slider over the best pixels, and what is known of the result.

const VIEWER_PIXELS = 1200;
const CAPTIONS = {
  overlay: (item) => `Heat: how responsible each part is for the label. ${item.levels.length
    ? 'Lines: what keeps 0.9 of the score, half of it, the label alone; boldest what is chosen below.'.replace('0.9', item.levels[0].confidence)
    : 'Outlined: the pixels chosen below.'}`,
  heatmap: () => 'Responsibility alone, at the resolution of the model; bright is most responsible.',
  explanation: () => 'The chosen pixels in colour; all others grey and dark.',
  masked: (item) => `Everything else replaced by ${item.colour ? 'one colour' : 'the baseline'}, as the model was asked (at ${item.shape[1]} \u00d7 ${item.shape[0]} pixels).`,
  photograph: () => 'The photograph as it is.',
  tree: () => 'One partition: the parts that the image was cut into; bright is most responsible, dark is no cause.',
};

function makeViewer(about, order) {
  const canvas = byId('canvas');
  const slider = byId('share');
  // `share` is that of the slider, `level` the place of one of the nested sets; both null: the explanation.
  const state = { item: null, unpacked: null, view: 'overlay', share: null, level: null, waiting: 0 };
  const views = makeSegments(byId('views'), VIEWS, state.view, (view) => show(view));
  VIEWS.forEach((_, i) => byId('views').children[i].setAttribute('aria-keyshortcuts', String(i + 1)));
  const treeButton = byId('views').lastElementChild;
  const tree = makeTreePanel(() => redraw());
  fillTicks(byId('ticks'));
  let frame = 0;

  let levels = null;

  const chosenShare = () => {
    if (state.share !== null) return state.share;
    return state.level === null ? state.item.size : state.item.levels[state.level].size;
  };
  const chosenName = () => {
    if (state.share !== null) return String(state.share);
    return state.level === null ? 'kept' : `level ${state.level}`;
  };
  // The place of the level that is the explanation; -1 where none is.
  const keptLevel = (item) => item.levels.findIndex(({ size, score: value }) =>
    size === item.size && value === item.explanation_score);

  function redraw() {
    if (!frame) frame = requestAnimationFrame(redrawNow);
  }

  function redrawNow() {
    frame = 0;
    const { unpacked, item, view, share } = state;
    if (!unpacked) return;
    const isTree = view === 'tree';
    const chosen = isTree ? null : share !== null ? bestOf(unpacked, share)
      : state.level === null ? unpacked.kept : unpacked.nested[state.level];
    draw(canvas, unpacked, view, chosen, VIEWER_PIXELS, {
      shown: isTree ? tree.shown() : null, levels: share === null ? unpacked.nested : [],
    });
    const what = isTree ? tree.tell() : share === null ? `${setName()}, ${percent(chosenShare())} of the pixels` : `the best ${percent(share)} of the pixels`;
    canvas.setAttribute('aria-label', `${VIEWS.find(([name]) => name === view)[1]} of ${item.file}: ${what}`);
    byId('caption').textContent = CAPTIONS[view](item);
    canvas.dataset.ready = `${item.index} ${view} ${isTree ? tree.name() : chosenName()}`;
  }

  function setName() {
    if (state.level === null) return 'the explanation';
    const level = state.item.levels[state.level];
    return level.confidence === 0 ? 'enough for the label alone' : `${levelName(level)} of the score`;
  }

  function tellShare() {
    const share = chosenShare();
    const { curve } = state.unpacked ? state.unpacked.packed : {};
    const { item } = state;
    let text = '';
    if (state.share !== null) {
      text = `best ${percent(share)}${isCurve(curve) ? `, score ${alone(scoreAt(curve, share), item.score)}` : ''}`;
    } else {
      const value = state.level === null ? item.explanation_score : item.levels[state.level].score;
      text = `${setName()}, ${percent(share)}${value === null ? '' : `, score ${alone(value, item.score)}`}`;
    }
    byId('share-text').textContent = text;
    slider.setAttribute('aria-valuetext', `${text} of the pixels`);
    byId('reset').setAttribute('aria-pressed', String(state.share === null && state.level === null));
    if (levels) levels.select(state.share !== null ? '' : String(state.level === null ? keptLevel(item) : state.level));
    slider.parentElement.style.setProperty('--filled', thumbAt(share));
    moveCursor(byId('curve'), state.share);
  }

  function tellView() {
    byId('chooser').hidden = state.view === 'tree';
    byId('tree').hidden = state.view !== 'tree';
    canvas.classList.toggle('is-pointed-at', state.view === 'tree');
  }

  function show(view) {
    if (view === 'tree' && !state.item.n_trees) return;
    state.view = view;
    views.select(view);
    byId('views').querySelector('[aria-pressed="true"]').scrollIntoView({ block: 'nearest', inline: 'nearest' });
    tellView();
    redraw();
  }

  function choose(share, level = null) {
    state.share = share;
    state.level = level;
    if (share === null) slider.value = stepAt(chosenShare());
    if (state.view === 'tree' || (share !== null && state.view === 'photograph')) show('explanation');
    tellShare();
    redraw();
  }

  function makeLevels(item) {
    const kept = keptLevel(item);
    byId('levels').hidden = item.levels.length < 2;
    byId('reset').hidden = item.levels.length > 1 && kept >= 0;
    byId('levels').replaceChildren();
    levels = item.levels.length < 2 ? null : makeSegments(byId('levels'),
      item.levels.map((level, i) => [String(i), levelName(level)]), '',
      (i) => choose(null, Number(i) === kept ? null : Number(i)));
    const sizes = item.levels.length ? item.levels.map(({ size }) => size) : [item.size];
    byId('marks').replaceChildren(...sizes.map((size) => {
      const mark = element('span', { className: 'kept-mark' });
      mark.style.left = thumbAt(size);
      return mark;
    }));
  }

  canvas.addEventListener('click', (event) => {
    if (state.view !== 'tree' || !state.unpacked) return;
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [photoWidth, photoHeight] = state.item.photo;
    const scale = Math.min(width / photoWidth, height / photoHeight);
    const x = (event.clientX - left - (width - photoWidth * scale) / 2) / scale;
    const y = (event.clientY - top - (height - photoHeight * scale) / 2) / scale;
    const { box, shape } = state.item;
    tree.selectAt(((y - box[1]) / (box[3] - box[1])) * shape[0], ((x - box[0]) / (box[2] - box[0])) * shape[1]);
  });
  slider.addEventListener('input', () => choose(shareAt(slider.valueAsNumber)));
  byId('reset').addEventListener('click', () => choose(null));

  async function load(item) {
    const waiting = ++state.waiting;
    if (state.unpacked) state.unpacked.photo.close();
    state.unpacked = null;
    delete canvas.dataset.ready;
    canvas.classList.add('is-waiting');
    byId('waiting').textContent = 'Unpacking';
    byId('waiting').hidden = false;
    try {
      const unpacked = await unpack(item);
      if (waiting !== state.waiting) return;
      state.unpacked = unpacked;
    } catch (error) {
      byId('waiting').textContent = `Cannot be shown: ${error.message}`;
      return;
    }
    byId('waiting').hidden = true;
    canvas.classList.remove('is-waiting');
    drawCurve(byId('curve'), state.unpacked.packed.curve, item);
    tree.load(state.unpacked.packed.trees);
    const open = [...byId('viewer-details').querySelectorAll('details')].map((part) => part.open);
    byId('viewer-details').replaceChildren(...tablesOf(state.unpacked.packed));
    open.forEach((isOpen, i) => { byId('viewer-details').children[i].open = isOpen; });
    tellShare();
    redrawNow();
  }

  return {
    state,
    show,
    explanation: () => { if (state.item && state.item.error === null) choose(null); },
    open: (item) => {
      Object.assign(state, { item, share: null, level: null });
      const shown = order();
      const at = shown.indexOf(item);
      byId('place').textContent = at < 0 ? '' : `${count(at + 1)} of ${count(shown.length)}`;
      byId('previous').disabled = at <= 0;
      byId('next').disabled = at < 0 || at === shown.length - 1;
      byId('viewer-title').textContent = item.error === null ? targetTitle(item) : 'Not explained';
      byId('viewer-file').textContent = item.path || item.file;
      byId('viewer-facts').replaceChildren(factsOf(item));
      byId('viewer-levels').replaceChildren(...levelsOf(item), ...kindOf(item));
      byId('viewer-notes').replaceChildren(...notesOf(item));
      byId('stage').hidden = item.error !== null;
      treeButton.hidden = !item.n_trees;
      if (state.view === 'tree' && !item.n_trees) show('overlay');
      if (item.error !== null) {
        state.waiting++;
        state.unpacked = null;
        byId('viewer-details').replaceChildren();
        return;
      }
      makeLevels(item);
      slider.value = stepAt(item.size);
      drawCurve(byId('curve'), null, item);
      tellShare();
      canvas.style.aspectRatio = `${item.photo[0]} / ${item.photo[1]}`;
      load(item);
    },
  };
}
