// Drawing vessels over a ground. `props.value` says what to start from (see `canvas_of` in canvas.py); each change triggers
// "draw" with all vessels as a PNG, opaque where there are some. Gradio gives `element`, `props`, `trigger` and `watch`.
const canvas = element.querySelector("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
const mark = element.querySelector(".pen"), width = element.querySelector("[data-tool=width]");
const tools = [...element.querySelectorAll("[data-tool=draw], [data-tool=erase]")];
const COLOUR = "rgb(110, 224, 236)", MOST_UNDONE = 20;
let before = [], last = null, keyboard = { x: 0, y: 0, down: false };

const erases = () => tools[1].getAttribute("aria-pressed") === "true";
const snapshot = () => pen.getImageData(0, 0, canvas.width, canvas.height);

function load() {
  if (!props.value) return;
  const start = JSON.parse(props.value);
  canvas.width = start.width;
  canvas.height = start.height;
  element.querySelector(".ground").src = start.ground;
  element.querySelector(".sheet").style.aspectRatio = `${start.width} / ${start.height}`;
  const picture = pen.createImageData(start.width, start.height), pixels = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < start.runs.length; i += 2)
    pixels.fill(0xffece06e, start.runs[i], start.runs[i] + start.runs[i + 1]); // COLOUR, as little-endian ABGR
  pen.putImageData(picture, 0, 0);
  before = [];
  keyboard = { x: start.width / 2, y: start.height / 2, down: false };
}

function remember() {
  before.push(snapshot());
  if (before.length > MOST_UNDONE) before.shift();
}

function send() {
  // Soft edges would make some pixels half vessel: what the labels say is yes or no, and what is seen is what is meant.
  const picture = snapshot();
  for (let i = 3; i < picture.data.length; i += 4) picture.data[i] = picture.data[i] > 127 ? 255 : 0;
  pen.putImageData(picture, 0, 0);
  trigger("draw", { vessels: canvas.toDataURL("image/png") });
}

function stroke(from, to) {
  pen.globalCompositeOperation = erases() ? "destination-out" : "source-over";
  pen.strokeStyle = COLOUR;
  pen.lineWidth = Number(width.value) * (erases() ? 3 : 1); // an eraser is held less exactly
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.lineTo(to.x + 0.01, to.y);
  pen.stroke();
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return { x: (event.clientX - box.left) * canvas.width / box.width, y: (event.clientY - box.top) * canvas.height / box.height };
}

canvas.addEventListener("pointerdown", event => {
  if (event.button !== 0 || last) return;
  canvas.setPointerCapture(event.pointerId);
  remember();
  last = place(event);
  stroke(last, last);
});
canvas.addEventListener("pointermove", event => {
  if (!last) return;
  for (const one of event.getCoalescedEvents?.() ?? [event]) {
    const now = place(one);
    stroke(last, now);
    last = now;
  }
});
for (const end of ["pointerup", "pointercancel"])
  canvas.addEventListener(end, () => {
    if (last) send();
    last = null;
  });

function showPen() {
  mark.hidden = false;
  mark.style.left = `${keyboard.x / canvas.width * 100}%`;
  mark.style.top = `${keyboard.y / canvas.height * 100}%`;
  mark.classList.toggle("down", keyboard.down);
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", event => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    event.preventDefault();
    undo();
  } else if (event.key in STEPS) {
    event.preventDefault();
    const far = event.shiftKey ? 20 : 5, from = { ...keyboard };
    keyboard.x = Math.min(canvas.width, Math.max(0, keyboard.x + far * STEPS[event.key][0]));
    keyboard.y = Math.min(canvas.height, Math.max(0, keyboard.y + far * STEPS[event.key][1]));
    if (keyboard.down) stroke(from, keyboard);
    showPen();
  } else if (event.key === " " || event.key === "Enter") {
    event.preventDefault();
    keyboard.down = !keyboard.down;
    if (keyboard.down) {
      remember();
      stroke(keyboard, keyboard);
    } else send();
    showPen();
  }
});
canvas.addEventListener("blur", () => {
  mark.hidden = true;
  if (keyboard.down) send();
  keyboard.down = false;
});

function undo() {
  const earlier = before.pop();
  if (!earlier) return;
  pen.putImageData(earlier, 0, 0);
  send();
}

for (const tool of tools)
  tool.addEventListener("click", () => {
    for (const one of tools) one.setAttribute("aria-pressed", String(one === tool));
  });
element.querySelector("[data-tool=undo]").addEventListener("click", undo);
element.querySelector("[data-tool=clear]").addEventListener("click", () => {
  remember();
  pen.clearRect(0, 0, canvas.width, canvas.height);
  send();
});
watch("value", load);
load();
