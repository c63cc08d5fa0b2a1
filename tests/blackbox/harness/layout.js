// Judges how a page lies by measured boxes, so that fonts may differ between machines: nothing
// beyond the sides, nothing cut off, nothing on top of something else, text that can be read and
// controls that can be hit. Boxes are in CSS pixels.

const SLACK = 1; // rounding
const LEAST_CONTRAST = 4.5; // WCAG 2.2, 1.4.3
const LEAST_TARGET = 24; // WCAG 2.2, 2.5.8
const CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea";

function layoutFaults() {
  const texts = visibleTexts();
  const controls = [...document.querySelectorAll(CONTROLS)].filter(isShown);
  return [
    ...sideways(),
    ...beyondTheSides([...texts, ...controls.map(boxed)]),
    ...texts.filter(isCutOff).map((it) => `${it.name} is cut off`),
    ...fieldsCutOff(controls),
    ...overlaps(texts, "text"),
    ...overlaps(controls.map(boxed), "control"),
    ...texts.filter((it) => contrast(it.element) < LEAST_CONTRAST)
      .map((it) => `${it.name} has a contrast of only ${contrast(it.element).toFixed(1)}`),
    ...controls.filter(isSmall).map((it) => `${name(it)} is too small to be hit`),
  ];
}

function sideways() {
  const root = document.documentElement;
  const wide = Math.max(root.scrollWidth, document.body.scrollWidth);
  return wide > innerWidth ? [`the page is ${wide} wide in a view of ${innerWidth}`] : [];
}

function beyondTheSides(things) {
  return things
    .filter(({ box }) => box.left < -SLACK || box.right > innerWidth + SLACK)
    .map((it) => `${it.name} lies beyond the side`);
}

// Every line of text with its own box.
function visibleTexts() {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !isShown(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const box of range.getClientRects()) {
      if (box.width > 0) found.push({ element, box, name: `“${walker.currentNode.data.trim()}”` });
    }
  }
  return found;
}

// Text must lie in the box of each ancestor that draws one or clips.
function isCutOff({ element, box }) {
  for (let around = element; around !== document.body; around = around.parentElement) {
    const style = getComputedStyle(around);
    if (style.display === "inline" || style.display === "contents") continue;
    const bounds = around.getBoundingClientRect();
    // A line is as high as its font, which may be a little more than the line height.
    const vertical = box.height / 4 + SLACK;
    if (box.left < bounds.left - SLACK || box.right > bounds.right + SLACK) return true;
    if (box.top < bounds.top - vertical || box.bottom > bounds.bottom + vertical) return true;
  }
  return false;
}

// What a field says beside its value must fit into it.
function fieldsCutOff(controls) {
  const pen = document.createElement("canvas").getContext("2d");
  return controls.filter((it) => it.placeholder).flatMap((it) => {
    const style = getComputedStyle(it);
    pen.font = style.font;
    const room = it.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return pen.measureText(it.placeholder).width > room ? [`${name(it)} cuts its hint off`] : [];
  });
}

function overlaps(things, kind) {
  const faults = [];
  things.forEach((one, at) => {
    for (const other of things.slice(at + 1)) {
      if (one.element.contains(other.element) && kind === "control") continue;
      if (overlap(one.box, other.box)) faults.push(`${one.name} and ${other.name} overlap`);
    }
  });
  return faults;
}

function overlap(one, other) {
  const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  // Lines of one paragraph touch.
  return across > SLACK && down > Math.min(one.height, other.height) / 3;
}

function contrast(element) {
  const [lighter, darker] = [luminance(getComputedStyle(element).color), luminance(behind(element))]
    .sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (channels(color)[3] !== 0) return color;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)";
}

function luminance(color) {
  const [red, green, blue] = channels(color).slice(0, 3).map((it) => {
    const part = it / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function channels(color) {
  const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
  return [red, green, blue, alpha];
}

// Links within a sentence may be as small as their words.
function isSmall(control) {
  const { width, height } = control.getBoundingClientRect();
  const isInline = getComputedStyle(control).display === "inline";
  return !isInline && (width < LEAST_TARGET - SLACK || height < LEAST_TARGET - SLACK);
}

// What is there for screen readers only has no place on the page.
function isShown(element) {
  if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
  for (let at = element; at; at = at.parentElement) {
    if (getComputedStyle(at).clipPath !== "none") return false;
  }
  return true;
}

function boxed(element) {
  return { element, box: element.getBoundingClientRect(), name: name(element) };
}

function name(element) {
  const said = element.ariaLabel || element.textContent.trim() || element.name;
  return `${element.tagName.toLowerCase()} “${said}”`;
}
