// What if: a line's batches on sliders, all made here: without scripts there is nothing to see.
(() => {
  const root = document.querySelector("[data-what-if]");
  if (!root) return;
  const start = JSON.parse(root.dataset.whatIf), from = start.batches;
  const W = 880, BASE = 160, POINTS = 600, REACH = 6, STEPS = 6000;
  const SVG = "http://www.w3.org/2000/svg";

  const made = (parent, name, attributes, text) => {
    const node = document.createElementNS(name === "svg" ? SVG : parent.namespaceURI, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.textContent = text || "";
    return parent.appendChild(node);
  };
  // Never rounded to none or all.
  const share = (p) =>
    (p < 1e-4 ? "< 0.01" : p > 0.9999 ? "> 99.99" : (100 * p).toFixed(2)) + "\u202f%";
  const reading = (x) => x.toFixed(start.decimals) + (start.unit && "\u202f" + start.unit);

  made(root, "h3", {}, "What if");
  made(root, "p", {}, "Move a slider to see what would be held. It starts at this fit; strays and " +
    "its uncertainty are left aside.");
  const svg = made(root, "svg", { viewBox: "0 0 880 164", role: "img",
    "aria-label": "The batches as set below; what would be held is shaded" });
  const axis = made(root, "p", { class: "ends" }), ends = [0, 1].map(() => made(axis, "span"));
  const told = made(root, "p", { role: "status" });
  const box = made(root, "div", { class: "sliders" });
  const sliders = [];
  const slider = (group, of, key, label, at, low, high, value, words) => {
    const row = made(group, "label", {}, label);
    const input = made(row, "input", { type: "range", min: low, max: high, step: "any", value: at });
    sliders.push({ of, key, at, value, words, input, output: made(row, "output") });
    input.addEventListener("input", draw);
  };
  const room = 3 * Math.max(...from.map((b) => b.sd)), means = from.map((b) => b.mean);
  const same = (v) => v;
  for (const b of from) {
    const group = made(box, "fieldset");
    made(group, "legend", {}, b.name);
    slider(group, b, "weight", "share", b.weight, Math.min(b.weight, 0.01), 1, same, share);
    slider(group, b, "mean", "mean", b.mean, Math.min(...means) - room, Math.max(...means) + room,
      same, reading);
    slider(group, b, "sd", "sd", 0, -2, 2, (v) => b.sd * 2 ** v, reading);
  }
  const last = made(box, "fieldset");
  made(last, "legend", {}, "Decision");
  slider(last, null, "threshold", "posterior needed", -Math.log10(1 - start.threshold), 0.31, 3,
    (v) => 1 - 10 ** -v, share);
  made(last, "button", { type: "button" }, "Back to this fit").addEventListener("click", () => {
    for (const s of sliders) s.input.value = s.at;
    draw();
  });

  function draw() {
    const set = {}, batches = from.map((b) => ({ tone: b.tone }));
    const target = (s) => (s.of ? batches[from.indexOf(s.of)] : set);
    for (const s of sliders) target(s)[s.key] = s.value(Number(s.input.value));
    const all = batches.reduce((sum, b) => sum + b.weight, 0);
    for (const b of batches) b.weight /= all;
    for (const s of sliders) {
      s.output.textContent = s.words(target(s)[s.key]);
      s.input.setAttribute("aria-valuetext", s.output.textContent);
    }
    const parts = (x) => batches.map((b) =>
      (b.weight / b.sd) * Math.exp(-0.5 * ((x - b.mean) / b.sd) ** 2));
    const best = (each) => Math.max(...each);
    const held = (each) => best(each) < set.threshold * each.reduce((a, b) => a + b);
    // By steps of each batch's own sd: as exact for a narrow batch as for a wide one.
    let put = 0, wrong = 0;
    batches.forEach((b, k) => {
      for (let i = 0; i < STEPS; i++) {
        const z = REACH * ((2 * i + 1) / STEPS - 1), each = parts(b.mean + z * b.sd);
        const mass = (b.weight * Math.exp(-z * z / 2) * 2 * REACH) / STEPS / Math.sqrt(2 * Math.PI);
        if (held(each)) put += mass;
        else if (each[k] < best(each)) wrong += mass;
      }
    });
    told.textContent = `Of normal batches like these, ${share(put)} of the items would be held` +
      (start.good && put < 0.9999 ? `, and ${share(wrong / (1 - put))} of the others would be wrong.` : ".");
    const low = Math.min(...batches.map((b) => b.mean - 4 * b.sd));
    const high = Math.max(...batches.map((b) => b.mean + 4 * b.sd));
    const step = W / POINTS, each = [];
    for (let i = 0; i <= POINTS; i++) each.push(parts(low + ((high - low) * i) / POINTS));
    const most = Math.max(...each.flat());
    svg.replaceChildren();
    made(svg, "path", { class: "would-hold", d: each.map((h, i) =>
      (held(h) ? `M${(i - 0.5) * step},0h${step}v${BASE}h${-step}z` : "")).join("") });
    batches.forEach((b, k) => made(svg, "path", { class: "curve " + b.tone, d: "M" + each.map((h, i) =>
      `${(i * step).toFixed(1)},${(BASE * (1 - 0.95 * h[k] / most)).toFixed(1)}`).join("L") }));
    made(svg, "path", { class: "axis", d: `M0,${BASE}H${W}` });
    [low, high].forEach((x, i) => (ends[i].textContent = reading(x)));
  }
  draw();
})();
