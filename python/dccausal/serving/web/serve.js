// The page of the service as a whole: a photograph comes, is asked about, and its explanation is shown.

const about = JSON.parse(byId('about').textContent);
const state = { file: null, running: null, result: '', pictures: {}, n: 0 };
const options = makeOptions(about);
const watch = makeWatch();
const shown = [];
const viewer = makeViewer(about, () => shown);

function describe() {
  const { model, labels, limits, title } = about;
  document.title = title;
  const facts = [model.name, model.size ? `${model.size[1]} \u00d7 ${model.size[0]}` : '', labels ? `${count(labels.length)} labels` : ''];
  byId('subtitle').textContent = facts.filter(Boolean).join(', ');
  byId('drop-more').textContent = `at most ${count(Math.floor(limits.max_bytes / 1e6))} MB and ${count(Math.floor(limits.max_pixels / 1e6))} megapixels`;
  byId('key-tool').hidden = !about.needs_key;
  byId('made').textContent = `Made by dccausal ${about.dccausal}. Photographs are sent to this service alone, and not kept.`;
}

function fail(text) {
  byId('failure').hidden = !text;
  byId('failure').textContent = text || '';
}

function setRunning(running) {
  state.running = running;
  byId('stop').hidden = !running;
  byId('go').disabled = Boolean(running) || !state.file;
  document.documentElement.dataset.state = running ? 'running' : 'idle';
}

function take(file) {
  if (!file) return;
  state.file = file;
  byId('drop').querySelector('strong').textContent = file.name || 'A pasted photograph';
  byId('go').disabled = false;
  run(true);
}

async function run(isNew = false) {
  const { file } = state;
  const wrong = options.firstWrong();
  if (!file || wrong) {
    if (wrong) wrong.closest('details')?.setAttribute('open', '');
    if (wrong) wrong.reportValidity();
    return;
  }
  if (about.needs_key && !byId('key').value) {
    byId('key').focus();
    fail('An API key is needed.');
    return;
  }
  if (state.running) state.running.abort();
  const running = new AbortController();
  setRunning(running);
  fail('');
  if (isNew) byId('best').hidden = true;
  byId('viewer').hidden = true;
  byId('watch').hidden = false;
  watch.begin(file);
  const form = new FormData();
  form.append('drawn', 'true');
  options.addTo(form);
  form.append('photo', file, file.name || 'photo');
  try {
    const isPresent = () => state.running === running;
    await ask(form, { key: byId('key').value, signal: running.signal, on: (name, data) => isPresent() && hear(name, data) });
    if (isPresent()) setRunning(null);
  } catch (error) {
    if (state.running !== running) return;
    setRunning(null);
    byId('watch').hidden = true;
    if (error.name === 'AbortError') fail('Stopped.');
    else fail(error instanceof Refused ? error.message : `The service does not answer (${error.message}).`);
  }
}

async function hear(name, data) {
  if (name === 'result') {
    state.result = data;
    setDownloads();
    return;
  }
  const told = JSON.parse(data);
  if (name === 'drawn') {
    show(told);
    byId('go').disabled = false; // what follows is for downloads, and the next question need not wait for it
  } else if (name === 'pictures') {
    state.pictures = told;
    setDownloads();
    await showKind(told.kind);
  } else if (name === 'view') await watch.view(told, choose);
  else if (watch[name]) watch[name](told);
}

function choose(label) {
  options.target.value = String(label.label);
  run();
}

function show({ about: item, packed }) {
  state.result = '';
  state.pictures = {};
  showKind();
  item.index = state.n++;
  item.file = state.file.name || 'photograph';
  item.path = item.file;
  byId(`packed-${item.index - 1}`)?.remove();
  document.body.append(element('script', { type: 'application/json', id: `packed-${item.index}`, textContent: JSON.stringify(packed) }), element('i', { hidden: true }));
  shown.splice(0, shown.length, item);
  byId('watch').hidden = true;
  byId('viewer').hidden = false;
  viewer.open(item);
  for (const button of byId('best').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.value === String(item.label)));
  }
  byId('viewer-title').focus({ preventScroll: true });
}

// The answer to a kind's question, as the command line draws it.
async function showKind(text) {
  byId('kind').hidden = !text;
  if (!text) return;
  const picture = await createImageBitmap(new Blob([bytesOf(text)], { type: 'image/png' }));
  const [caption, canvas] = byId('kind').children;
  caption.textContent = `Kind: ${byId('option-kind').value}`;
  canvas.setAttribute('aria-label', caption.textContent);
  Object.assign(canvas, { width: picture.width, height: picture.height });
  canvas.getContext('2d').drawImage(picture, 0, 0);
}

function save(content, name) {
  const link = element('a', { href: URL.createObjectURL(content), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function setDownloads() {
  const stem = (state.file.name || 'photograph').replace(/\.[^.]*$/, '') || 'photograph';
  const button = (text, content, name) => {
    const made = element('button', { type: 'button', textContent: text });
    made.addEventListener('click', () => save(content(), name));
    return made;
  };
  const png = (text) => new Blob([bytesOf(text)], { type: 'image/png' });
  byId('downloads').replaceChildren(
    byId('downloads').firstElementChild,
    ...Object.entries(state.pictures).map(([name, text]) =>
      button(name[0].toUpperCase() + name.slice(1), () => png(text), `${stem}-${name}.png`)),
    ...(state.result ? [button('JSON', () => new Blob([state.result], { type: 'application/json' }), `${stem}.json`)] : []),
  );
}

function stop() {
  if (state.running) state.running.abort();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') stop();
  if (event.key === 'Enter' && event.target === byId('photo')) { // some browsers open it by the space bar alone
    event.preventDefault();
    byId('photo').click();
    return;
  }
  if (event.target.matches('input:not([type="range"]):not([type="file"]), select')) return;
  if (event.key === 'o') byId('photo').click();
  if (byId('viewer').hidden || !viewer.state.item) return;
  if (event.key === 'e') viewer.explanation();
  else if (/^[1-6]$/.test(event.key)) viewer.show(VIEWS[event.key - 1][0]);
}

const firstImage = (transfer) => [...(transfer?.files || [])][0];

byId('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  run();
});
byId('ask').noValidate = true;
byId('stop').addEventListener('click', stop);
byId('photo').addEventListener('change', (event) => {
  take(event.target.files[0]);
  event.target.value = ''; // so that the same file can be chosen again
});
document.addEventListener('paste', (event) => {
  const file = firstImage(event.clipboardData);
  if (!file) return;
  event.preventDefault();
  take(file);
});
for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    byId('drop').classList.toggle('is-over', type === 'dragenter' || type === 'dragover');
    if (type === 'drop') take(firstImage(event.dataTransfer));
  });
}
document.addEventListener('keydown', onKey);
makeTheme(byId('theme'));
describe();
setRunning(null);
document.documentElement.dataset.ready = 'yes';
