// One photograph: its views, the slider over the best pixels, and what is known of the result.

const VIEWER_PIXELS = 1200;
const CAPTIONS = {
  overlay: () => 'Heat: how responsible each part is for the label. Outlined: the pixels chosen below.',
  heatmap: () => 'Responsibility alone, at the resolution of the model; bright is most responsible.',
  explanation: () => 'The chosen pixels in colour; all others grey and dark.',
  masked: (item) => `Everything else replaced by ${item.colour ? 'one colour' : 'the baseline'}, as the model was asked (at ${item.shape[1]} \u00d7 ${item.shape[0]} pixels).`,
  photograph: () => 'The photograph as it is.',
  tree: () => 'One partition: the parts that the image was cut into; bright is most responsible, dark is no cause.',
};

function makeViewer(about, order) {
  const canvas = byId('canvas');
  const slider = byId('share');
  const state = { item: null, unpacked: null, view: 'explanation', share: null, waiting: 0 };
  const views = makeSegments(byId('views'), VIEWS, state.view, (view) => show(view));
  VIEWS.forEach((_, i) => byId('views').children[i].setAttribute('aria-keyshortcuts', String(i + 1)));
  const treeButton = byId('views').lastElementChild;
  const tree = makeTreePanel(() => redraw());
  fillTicks(byId('ticks'));
  let frame = 0;

  const chosenShare = () => (state.share === null ? state.item.size : state.share);

  function redraw() {
    if (!frame) frame = requestAnimationFrame(redrawNow);
  }

  function redrawNow() {
    frame = 0;
    const { unpacked, item, view, share } = state;
    if (!unpacked) return;
    const isTree = view === 'tree';
    const chosen = isTree ? null : share === null ? unpacked.kept : bestOf(unpacked, share);
    draw(canvas, unpacked, view, chosen, VIEWER_PIXELS, isTree ? tree.shown() : null);
    const what = isTree ? tree.tell() : share === null ? `the explanation, ${percent(item.size)} of the pixels` : `the best ${percent(share)} of the pixels`;
    canvas.setAttribute('aria-label', `${VIEWS.find(([name]) => name === view)[1]} of ${item.file}: ${what}`);
    byId('caption').textContent = CAPTIONS[view](item);
    canvas.dataset.ready = `${item.index} ${view} ${isTree ? tree.name() : share === null ? 'kept' : share}`;
  }

  function tellShare() {
    const share = chosenShare();
    const { curve } = state.unpacked ? state.unpacked.packed : {};
    const at = isCurve(curve) && state.share !== null ? `, score ${score(scoreAt(curve, share))}` : '';
    const text = state.share === null ? `the explanation, ${percent(share)}` : `best ${percent(share)}${at}`;
    byId('share-text').textContent = text;
    slider.setAttribute('aria-valuetext', `${text} of the pixels`);
    byId('reset').setAttribute('aria-pressed', String(state.share === null));
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

  function choose(share) {
    state.share = share;
    if (share === null) slider.value = stepAt(state.item.size);
    if (state.view === 'tree' || (share !== null && state.view === 'photograph')) show('explanation');
    tellShare();
    redraw();
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
      Object.assign(state, { item, share: null });
      const shown = order();
      const at = shown.indexOf(item);
      byId('place').textContent = at < 0 ? '' : `${count(at + 1)} of ${count(shown.length)}`;
      byId('previous').disabled = at <= 0;
      byId('next').disabled = at < 0 || at === shown.length - 1;
      byId('viewer-title').textContent = item.error === null ? labelName(item) : 'Not explained';
      byId('viewer-file').textContent = item.path || item.file;
      byId('viewer-facts').replaceChildren(factsOf(item));
      byId('viewer-notes').replaceChildren(...notesOf(item));
      byId('stage').hidden = item.error !== null;
      treeButton.hidden = !item.n_trees;
      if (state.view === 'tree' && !item.n_trees) show('explanation');
      if (item.error !== null) {
        state.waiting++;
        state.unpacked = null;
        byId('viewer-details').replaceChildren();
        return;
      }
      byId('kept-mark').style.left = thumbAt(item.size);
      slider.value = stepAt(item.size);
      drawCurve(byId('curve'), null, item);
      tellShare();
      canvas.style.aspectRatio = `${item.photo[0]} / ${item.photo[1]}`;
      load(item);
    },
  };
}
