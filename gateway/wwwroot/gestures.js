// Wheel, drag, pinch and keys of a viewer. The wheel zooms only where somebody has clicked, and one finger scrolls the page while the whole picture is in view.
const STEP = 60;

export function gestures(viewer) {
  const { element } = viewer;
  const pointers = new Map();
  const inside = (event) => { const rect = element.getBoundingClientRect(); return [event.clientX - rect.left, event.clientY - rect.top]; };

  element.addEventListener('wheel', (event) => {
    if (!event.ctrlKey && document.activeElement !== element) return;
    event.preventDefault();
    viewer.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), ...inside(event));
  }, { passive: false });

  element.addEventListener('pointerdown', (event) => {
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    element.classList.add('dragging');
  });
  element.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    readout(viewer, ...inside(event));
    if (!before) return;
    pointers.set(event.pointerId, event);
    if (pointers.size === 1) {
      viewer.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    } else if (pointers.size === 2) {
      const other = [...pointers.values()].find((p) => p.pointerId !== event.pointerId);
      const distance = (p) => Math.max(1, Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY));
      const rect = element.getBoundingClientRect();
      viewer.zoom(distance(event) / distance(before), (event.clientX + other.clientX) / 2 - rect.left, (event.clientY + other.clientY) / 2 - rect.top);
    }
  });
  for (const end of ['pointerup', 'pointercancel']) {
    element.addEventListener(end, (event) => { pointers.delete(event.pointerId); element.classList.toggle('dragging', pointers.size > 0); });
  }
  element.addEventListener('pointerleave', () => { viewer.readout.textContent = ''; });
  element.addEventListener('dblclick', (event) => { if (viewer.fitted) viewer.zoom(4, ...inside(event)); else viewer.fit(); });

  const keys = {
    '+': () => viewer.zoom(1.25), '=': () => viewer.zoom(1.25), '-': () => viewer.zoom(0.8), 0: () => viewer.fit(), 1: () => viewer.zoom(16 / viewer.scale),
    ArrowLeft: () => viewer.pan(STEP, 0), ArrowRight: () => viewer.pan(-STEP, 0), ArrowUp: () => viewer.pan(0, STEP), ArrowDown: () => viewer.pan(0, -STEP),
  };
  element.addEventListener('keydown', (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}

// Where the pointer is, and what the mask says there.
function readout(viewer, px, py) {
  const [x, y] = viewer.pixelAt(px, py);
  if (x < 0 || y < 0 || x >= viewer.width || y >= viewer.height) { viewer.readout.textContent = ''; return; }
  const probability = viewer.layer?.mask?.at((x + 0.5) / viewer.width, (y + 0.5) / viewer.height);
  viewer.readout.textContent = `${x}, ${y}${probability === null || probability === undefined ? '' : ` · ${(probability * 100).toFixed(0)} %`}`;
}
