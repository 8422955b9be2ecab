// The map while it grows: the photograph at once, heat over it as the service finds it.

const WATCH_PIXELS = 1000;
const PHASE_WORDS = {
  check: 'Asking what the model says',
  search: 'Looking for what matters',
  growth: 'Growing a set that keeps the label',
  shrinking: 'Leaving out what is not needed',
  remainder: 'Looking at what else counts',
  kind: 'Asking beyond what suffices',
  verification: 'Checking the result',
};
// A byte is a tone.
const BYTE_TONES = Uint8Array.from({ length: 256 }, (_, tone) => tone);

function makeWatch() {
  const canvas = byId('growing');
  const state = { photo: null, item: null, heat: null, last: null };

  function redraw() {
    const { photo, item, heat } = state;
    if (!photo) return;
    const seen = item || { photo: [photo.width, photo.height], box: [0, 0, photo.width, photo.height], shape: [1, 1] };
    if (!heat || !item) draw(canvas, { item: seen, photo }, 'photograph', null, WATCH_PIXELS);
    else draw(canvas, { item: { ...item, shape: heat.shape, levels: [] }, photo, levels: heat.tones, tones: BYTE_TONES }, 'overlay', null, WATCH_PIXELS);
  }

  function setPhoto(photo) {
    if (state.photo) state.photo.close();
    state.photo = photo;
  }

  return {
    state,
    // What the browser can show at once; some formats only the service reads.
    begin: async (file) => {
      Object.assign(state, { item: null, heat: null, last: file });
      byId('bar').removeAttribute('value');
      byId('told').textContent = 'Sending';
      try {
        const photo = await createImageBitmap(file);
        if (state.last !== file || state.item) return photo.close();
        setPhoto(photo);
        redraw();
      } catch { /* the service's own picture of it comes soon */ }
    },
    view: async (seen, choose) => {
      state.item = { photo: seen.photo, box: seen.box, shape: seen.shape };
      const photo = await pictureOf(seen.jpeg);
      setPhoto(photo);
      redraw();
      byId('best').hidden = false;
      byId('best').replaceChildren(element('span', { className: 'quiet', textContent: 'The model says' }), ...seen.best.map((label) => {
        const name = label.name === null ? `label ${label.label}` : label.name.split(',')[0];
        const button = element('button', { type: 'button', textContent: `${name} ${score(label.score)}`, title: `Explain ${name}`, value: label.label });
        button.addEventListener('click', () => choose(label));
        return button;
      }));
    },
    heat: ({ shape, tones }) => {
      state.heat = { shape, tones: bytesOf(tones) };
      redraw();
      canvas.dataset.heats = Number(canvas.dataset.heats || 0) + 1;
    },
    queued: ({ before }) => {
      byId('told').textContent = before ? `Waiting: ${plural(before, 'photograph is', 'photographs are')} before this one` : 'Next in line';
    },
    progress: ({ phase, n_calls: calls, n_expected: expected }) => {
      byId('told').textContent = `${PHASE_WORDS[phase] || phase}, ${plural(calls, 'model call', 'model calls')}`;
      if (expected) byId('bar').value = Math.min(0.98, calls / expected);
      else if (phase !== 'check' && phase !== 'search') byId('bar').removeAttribute('value');
    },
  };
}
