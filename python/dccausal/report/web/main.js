// The page as a whole: what it is about, which photograph is open, keys, theme, printing.

const about = JSON.parse(byId('about').textContent);
about.items.forEach((item, index) => { item.index = index; });
const isSingle = about.items.length === 1;

function describe() {
  const failed = about.items.filter((item) => item.error !== null).length;
  const known = about.items.filter((item) => truthOf(item) !== 'unknown');
  const right = known.filter((item) => item.truth.right).length;
  document.title = `${about.title} \u00b7 dccausal report`;
  byId('title').textContent = about.title;
  byId('subtitle').textContent = 'What the model needed to see to say what it said' +
    (about.model ? `, by ${about.model.split(/[\\/]/).pop()}` : '');
  const facts = [['Photographs', count(about.n_photographs)]];
  if (about.n_photographs < about.items.length) facts.push(['Explanations', count(about.items.length - failed)]);
  if (about.median_size !== null) facts.push(['Kept, median', percent(about.median_size)]);
  for (const [outcome, n] of Object.entries(about.outcomes)) facts.push([outcome[0].toUpperCase() + outcome.slice(1), count(n)]);
  if (failed) facts.push(['Failed', count(failed)]);
  if (known.length) facts.push(['Right', `${count(right)} of ${count(known.length)}`]);
  byId('sees').hidden = !about.preprocess;
  byId('sees').textContent = `What the model sees: ${about.preprocess}.`;
  byId('facts').replaceChildren(...facts.map(([name, value]) => fact(name, value)));
  byId('unfinished').hidden = !about.n_left;
  byId('unfinished').textContent = `The run is not finished: ${plural(about.n_left, 'photograph is', 'photographs are')} still to be explained.`;
  if (about.items.some((item) => item.n_trees)) byId('last-view').textContent = '6';
  byId('made').textContent = `Made by dccausal ${about.dccausal}. This file loads nothing.`;
}

const gallery = makeGallery(about, (index) => go(index));
const viewer = makeViewer(about, () => gallery.state.shown);
let scrolled = 0;

function go(index) {
  location.hash = index === null ? '' : `photograph-${index + 1}`;
}

function route() {
  const match = /^#photograph-([0-9]+)$/.exec(location.hash);
  const item = match ? about.items[Number(match[1]) - 1] : isSingle ? about.items[0] : undefined;
  const wasOpen = !byId('viewer').hidden;
  if (!wasOpen) scrolled = scrollY;
  byId('gallery').hidden = Boolean(item);
  byId('viewer').hidden = !item;
  document.body.classList.toggle('is-viewing', Boolean(item));
  if (item) {
    viewer.open(item);
    gallery.state.last = item.index;
    if (!wasOpen) {
      scrollTo(0, 0);
      if (!isSingle) byId('viewer-title').focus({ preventScroll: true });
    }
  } else if (wasOpen) {
    scrollTo(0, scrolled);
    if (gallery.state.shown.includes(about.items[gallery.state.last])) gallery.focus(gallery.state.last);
  }
}

function step(by) {
  const { shown } = gallery.state;
  const to = shown[shown.indexOf(viewer.state.item) + by];
  if (to && shown.includes(viewer.state.item)) go(to.index);
}

function onKey(event) {
  const isViewing = !byId('viewer').hidden;
  const target = event.target;
  const isTyping = target.matches('input[type="search"], select');
  if ((event.ctrlKey || event.metaKey) && event.key === 'p') {
    event.preventDefault();
    printAll();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') {
    if (isTyping) target.blur();
    else if (isViewing && !isSingle) go(null);
    return;
  }
  if (isTyping) return;
  if (event.key === '/' && !isSingle) {
    event.preventDefault();
    if (isViewing) go(null);
    setTimeout(() => byId('search').select(), isViewing ? 60 : 0);
  }
  if (!isViewing) return;
  const isSlider = target === byId('share');
  if (event.key === 'ArrowLeft' && !isSlider) step(-1);
  else if (event.key === 'ArrowRight' && !isSlider) step(1);
  else if (event.key === 'e') viewer.explanation();
  else if (/^[1-6]$/.test(event.key) && viewer.state.item.error === null) viewer.show(VIEWS[event.key - 1][0]);
}

async function printAll() {
  if (byId('viewer').hidden) {
    byId('print').textContent = 'Drawing';
    await gallery.drawAll();
    byId('print').textContent = 'Print';
  }
  window.print();
}

makeTheme(byId('theme'));
byId('print').addEventListener('click', printAll);
byId('back').addEventListener('click', (event) => {
  event.preventDefault();
  go(null);
});
byId('previous').addEventListener('click', () => step(-1));
byId('next').addEventListener('click', () => step(1));
document.body.classList.toggle('is-single', isSingle);
document.addEventListener('keydown', onKey);
window.addEventListener('hashchange', route);
describe();
route();
document.documentElement.dataset.ready = 'yes';
