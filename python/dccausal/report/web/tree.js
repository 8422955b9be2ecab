// The causal trees of a photograph: superpixels drawn over it, and a list of them that can be walked by keys.

const CORNERS = ['Top left', 'Top right', 'Bottom left', 'Bottom right'];
const WORLDS = {
  intact: 'parts are refined in the otherwise intact image',
  contingency: 'parts are refined while their contingency is masked',
  sufficient: 'parts are refined while all but a smallest sufficient set is masked',
};

// The nodes of a packed tree, each with its corner of the cut and its children.
function growTree({ world, nodes }) {
  const grown = nodes.map(([top, left, bottom, right, parent, value, stake, contingency], index) => ({
    index, region: [top, left, bottom, right], parent, value, stake, contingency,
    corner: index ? CORNERS[(index - 1) % 4] : 'The whole image', children: [],
  }));
  for (const node of grown.slice(1)) grown[node.parent].children.push(node.index);
  return { world, nodes: grown };
}

const fraction = (value) => (value === 0 ? '0' : value === 1 ? '1' : `1/${Math.round(1 / value)}`);

function ancestorsOf({ nodes }, index) {
  const above = [];
  for (let at = nodes[index].parent; at >= 0; at = nodes[at].parent) above.push(at);
  return above;
}

// What is masked where a node is decisive: its contingency, and in most worlds those of the regions around it.
function maskedFor(tree, index) {
  const own = tree.nodes[index].contingency;
  const around = tree.world === 'intact' ? [] : ancestorsOf(tree, index).flatMap((at) => tree.nodes[at].contingency);
  return { own, around };
}

function listed(tree, indices) {
  const names = indices.map((index) => tree.nodes[index].corner.toLowerCase());
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names.join('');
}

function roleOf(tree, node) {
  const others = listed(tree, node.contingency);
  if (node.index === 0) return 'choose a part in the picture or in the list';
  if (tree.world === 'sufficient') {
    if (node.value === 0) return 'not needed';
    return others ? `suffices${node.contingency.length < 3 ? ' with the rest' : ''}, ${others} masked` : 'all four are needed';
  }
  if (node.value === 0) return 'no cause';
  return others ? `decisive once ${others} ${node.contingency.length > 1 ? 'are' : 'is'} masked` : 'decisive by itself';
}

function tellNode(tree, index) {
  const node = tree.nodes[index];
  if (index === 0) return `${node.corner}: ${roleOf(tree, node)}.`;
  const where = [index, ...ancestorsOf(tree, index).slice(0, -1)].map((at) => tree.nodes[at].corner);
  const path = where.map((corner, i) => (i ? corner.toLowerCase() : corner)).join(' of ');
  const word = tree.world === 'sufficient' ? 'value' : 'responsibility';
  const stake = node.value > 0 && node.stake < 1 ? `; ${percent(node.stake)} of the score is at stake` : '';
  const { own, around } = maskedFor(tree, index);
  const hatched = own.length + around.length ? ' Hatched: what is masked there.' : '';
  return `${path}: ${word} ${fraction(node.value)}, ${roleOf(tree, node)}${stake}.${hatched}`;
}

const shade = (value) => infernoAt(value === 0 ? 0 : 255 * (0.25 + 0.7 * value));

// Paints a tree over what is on the canvas; `box` is where the model's image lies.
function paintTree(to, { tree, selected }, [height, width], [left, top, right, bottom]) {
  const line = Math.max(1.2, Math.min(to.canvas.width, to.canvas.height) / 300);
  const placed = ({ region }) => [
    left + ((right - left) * region[1]) / width, top + ((bottom - top) * region[0]) / height,
    ((right - left) * (region[3] - region[1])) / width, ((bottom - top) * (region[2] - region[0])) / height,
  ];
  const frame = (node, thick, dash = []) => {
    to.setLineDash(dash);
    for (const [colour, wide] of [['rgba(16, 16, 16, 0.8)', 2.2 * thick], ['#ffffff', thick]]) {
      to.strokeStyle = colour;
      to.lineWidth = wide;
      to.strokeRect(...placed(node));
    }
    to.setLineDash([]);
  };
  for (const node of tree.nodes) {
    if (node.children.length) continue;
    to.fillStyle = `rgba(${shade(node.value).join(',')},${node.value === 0 ? 0.45 : 0.55})`;
    to.fillRect(...placed(node));
  }
  for (const node of [...tree.nodes].reverse()) {
    if (node.index) frame(node, line * Math.max(0.35, 1 - 0.28 * ancestorsOf(tree, node.index).length + 0.28));
  }
  if (!selected) return;
  const { own, around } = maskedFor(tree, selected);
  for (const index of [...around, ...own]) hatch(to, placed(tree.nodes[index]), 5 * line);
  for (const index of own) frame(tree.nodes[index], 1.5 * line, [6 * line, 4 * line]);
  frame(tree.nodes[selected], 3.2 * line);
}

function hatch(to, [x, y, width, height], period) {
  to.save();
  to.beginPath();
  to.rect(x, y, width, height);
  to.clip();
  to.fillStyle = 'rgba(60, 62, 66, 0.78)';
  to.fillRect(x, y, width, height);
  to.strokeStyle = 'rgba(220, 222, 226, 0.55)';
  to.lineWidth = period / 6;
  to.beginPath();
  for (let at = x - height; at < x + width; at += period) {
    to.moveTo(at, y + height);
    to.lineTo(at + height, y);
  }
  to.stroke();
  to.restore();
}

// The panel: which partition, what is said of the chosen part, and the list.
function makeTreePanel(redraw) {
  const list = byId('tree-list');
  const choice = byId('tree-choice');
  const state = { trees: [], at: 0, selected: 0, open: new Set() };
  const tree = () => state.trees[state.at];

  function itemOf(node, level) {
    const isOpen = state.open.has(node.index);
    const value = node.index ? fraction(node.value) : '';
    const role = node.index ? roleOf(tree(), node) : '';
    const swatch = element('span', { className: 'swatch' });
    swatch.style.background = `rgb(${shade(node.value).join(',')})`;
    const row = element('span', { className: 'tree-row' },
      element('span', { className: 'twist', textContent: node.children.length ? (isOpen ? '\u25be' : '\u25b8') : '' }),
      ...(node.index ? [swatch] : []), element('span', {}, element('b', { textContent: node.corner }),
        ` ${value} `, element('span', { className: 'quiet', textContent: role })));
    const made = element('li', {
      role: 'treeitem', 'data-node': node.index, 'aria-level': level, tabIndex: node.index === state.selected ? 0 : -1,
      'aria-selected': String(node.index === state.selected),
      'aria-label': node.index ? `${node.corner}, ${value}, ${role}` : node.corner,
    }, row);
    if (!node.children.length) return made;
    made.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) {
      made.append(element('ul', { role: 'group' },
        ...node.children.map((child) => itemOf(tree().nodes[child], level + 1))));
    }
    return made;
  }

  function render(isFocused) {
    list.replaceChildren(itemOf(tree().nodes[0], 1));
    byId('tree-says').textContent = tellNode(tree(), state.selected);
    if (isFocused) list.querySelector('[aria-selected="true"]').focus({ preventScroll: true });
    const { top, bottom } = list.getBoundingClientRect();
    const row = list.querySelector('[aria-selected="true"] > .tree-row').getBoundingClientRect();
    if (row.top < top) list.scrollTop -= top - row.top;
    if (row.bottom > bottom) list.scrollTop += row.bottom - bottom;
  }

  function select(index, isFocused) {
    state.selected = index;
    for (const above of ancestorsOf(tree(), index)) state.open.add(above);
    render(isFocused);
    redraw();
  }

  function toggle(index, isOpen) {
    if (isOpen) state.open.add(index);
    else state.open.delete(index);
    render(true);
  }

  // The most responsible parts are open at first.
  function choose(at) {
    Object.assign(state, { at, selected: 0, open: new Set([0]) });
    const { nodes, world } = tree();
    const most = (indices) => Math.max(0, ...indices.map((index) => nodes[index].value));
    for (const node of nodes) {
      const isMost = node.index === 0 || (state.open.has(node.parent) && node.value === most(nodes[node.parent].children));
      if (isMost && node.children.length) state.open.add(node.index);
    }
    byId('tree-world').textContent = `${plural(nodes.length - 1, 'part', 'parts')}; ${WORLDS[world]}.`;
    render(false);
    redraw();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const shown = [...list.querySelectorAll('[role="treeitem"]')].map((item) => Number(item.dataset.node));
    const node = tree().nodes[state.selected];
    const isOpen = state.open.has(node.index) && node.children.length > 0;
    const step = (by) => shown[shown.indexOf(node.index) + by] ?? node.index;
    const actions = {
      ArrowDown: () => select(step(1), true),
      ArrowUp: () => select(step(-1), true),
      Home: () => select(shown[0], true),
      End: () => select(shown.at(-1), true),
      ArrowRight: () => {
        if (isOpen) select(node.children[0], true);
        else if (node.children.length) toggle(node.index, true);
      },
      ArrowLeft: () => {
        if (isOpen) toggle(node.index, false);
        else if (node.parent >= 0) select(node.parent, true);
      },
      Enter: () => { if (node.children.length) toggle(node.index, !isOpen); },
    };
    const act = actions[event.key === ' ' ? 'Enter' : event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  list.addEventListener('keydown', onKey);
  list.addEventListener('click', (event) => {
    const item = event.target.closest('[role="treeitem"]');
    if (!item) return;
    const index = Number(item.dataset.node);
    if (event.target.matches('.twist')) {
      const isOpen = !state.open.has(index);
      const hides = !isOpen && ancestorsOf(tree(), state.selected).includes(index);
      if (hides) select(index, true);
      toggle(index, isOpen);
    } else select(index, true);
  });
  choice.addEventListener('change', () => choose(Number(choice.value)));

  return {
    shown: () => ({ tree: tree(), selected: state.selected }),
    name: () => `${state.at} ${state.selected}`,
    tell: () => `partition ${state.at + 1}; ${tellNode(tree(), state.selected)}`,
    load: (packed) => {
      state.trees = packed.map(growTree);
      choice.replaceChildren(...packed.map((_, i) => element('option', { value: i, textContent: `${i + 1} of ${packed.length}` })));
      if (packed.length) choose(0);
    },
    // Chooses the smallest part at a row and column of the model's image.
    selectAt: (row, column) => {
      const holds = ({ region: [top, left, bottom, right] }) => top <= row && row < bottom && left <= column && column < right;
      const leaf = tree().nodes.find((node) => !node.children.length && holds(node));
      if (leaf) select(leaf.index, false);
    },
  };
}
