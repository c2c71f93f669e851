"use strict";
// The clip browser. What is not ours reaches the document as text, never as markup.

/**
 * Return `start`, which fills the controls when the part is first opened, and `show(clip_id)`.
 * `all`, `one`, `island` and `made` find and make elements; `go` opens a part of the page.
 */
function clipBrowser({ all, one, island, made, go }) {
  let data = null;
  let shown = [];
  const opened = new Set();
  const HEADINGS = { events: "events heard", objects: "objects seen" };
  const scene = (clip) => clip.about.scene_label;
  const first = (row) => row.indexOf(Math.max(...row));
  const mean = (rows) => rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0));
  const says = (clip, name) => data.scenes[first(mean(clip.probs[name]))];

  function cell(share, { wrong = false, title = "", span = 1 } = {}) {
    const text = made("span", { class: "cell", title }, String(Math.round(100 * share)));
    text.style.setProperty("--share", `${Math.round(100 * share)}%`);
    text.classList.toggle("wrong", wrong);
    return made("td", { colspan: span }, text);
  }

  function heading(text, seconds) {
    return made("tr", { class: "kind" }, made("th", { colspan: seconds + 1, scope: "rowgroup" }, text));
  }

  function pictures(clip, large) {
    const row = made("tr", {}, made("th", { scope: "row" }, "picture"));
    clip.pictures.forEach((picture, second) => {
      const source = `data:image/jpeg;base64,${picture}`;
      const image = made("img", { src: source, alt: `second ${second}` });
      const button = made("button", { type: "button", "aria-pressed": second === 0 }, image);
      button.addEventListener("click", () => {
        for (const b of all("button", row)) b.setAttribute("aria-pressed", b === button);
        large.src = source;
        large.alt = `the picture of second ${second}`;
      });
      row.append(made("td", {}, button));
    });
    return row;
  }

  function sound(clip, seconds) {
    const alt = "log-mel spectrum, time to the right, frequency upwards";
    const image = made("img", { src: `data:image/png;base64,${clip.logmel}`, alt });
    const name = made("th", { scope: "row" }, "log-mel");
    return made("tr", { class: "logmel" }, name, made("td", { colspan: seconds }, image));
  }

  function tags(clip, kind, seconds) {
    const rows = clip.tags[kind].map(({ name, probs }) => {
      const span = Math.max(1, Math.floor(seconds / probs.length));
      const cells = probs.map((p) => cell(p, { span }));
      return made("tr", {}, made("th", { scope: "row" }, name), ...cells);
    });
    return [heading(HEADINGS[kind], seconds), ...rows];
  }

  function rows(clip, name, seconds) {
    const probs = clip.probs[name];
    const span = Math.max(1, Math.floor(seconds / probs.length));
    const truth = data.scenes.indexOf(scene(clip));
    const button = made("button", { type: "button", "aria-expanded": opened.has(name) }, name);
    const cells = probs.map((row) => {
      const title = `most probable: ${data.scenes[first(row)]}`;
      return cell(row[truth] ?? 0, { wrong: first(row) !== truth, title, span });
    });
    const source = `data/predictions/${name}.parquet`;
    const own = made("tr", { "data-source": source }, made("th", { scope: "row" }, button), ...cells);
    const each = data.scenes.map((label, i) => {
      const kind = i === truth ? "sub true" : "sub";
      const head = made("th", { scope: "row" }, label);
      const shares = probs.map((row) => cell(row[i], { span }));
      return made("tr", { class: kind, "data-source": source }, head, ...shares);
    });
    const show = (on) => {
      button.setAttribute("aria-expanded", on);
      for (const row of each) row.hidden = !on;
    };
    show(opened.has(name));
    button.addEventListener("click", () => {
      const on = !opened.has(name);
      on ? opened.add(name) : opened.delete(name);
      show(on);
    });
    return [own, ...each];
  }

  function facts(clip) {
    const list = made("dl");
    const said = data.systems.map((name) => [name, says(clip, name)]);
    const wrong = said.filter(([, label]) => label !== scene(clip));
    const about = [
      ["clip", clip.about.clip_id],
      ["true scene", scene(clip)],
      ["city", clip.about.city],
      ["location", clip.about.location],
      ["right", said.filter(([, label]) => label === scene(clip)).map(([n]) => n).join(", ") || "none"],
      ["wrong", wrong.map(([name, label]) => `${name}: ${label}`).join(", ") || "none"],
    ];
    for (const [name, text] of about) list.append(made("dt", {}, name), made("dd", {}, text));
    return list;
  }

  function sheet() {
    const clip = data.clips.find((c) => c.about.clip_id === one("#clip").value);
    const target = one("#clip-sheet");
    if (!clip) return target.replaceChildren(made("p", { class: "note" }, "No clip is so."));
    one("#clip-status").textContent = `Clip ${clip.about.clip_id}, ${scene(clip)}`;
    const seconds = clip.pictures.length;
    const large = made("img", { src: `data:image/jpeg;base64,${clip.pictures[0]}`, alt: "the picture of second 0" });
    const head = made("tr", {}, made("th", { scope: "col" }, "second"));
    for (let k = 0; k < seconds; k++) head.append(made("th", { scope: "col" }, String(k)));
    const body = made("tbody", {}, pictures(clip, large), sound(clip, seconds));
    for (const kind of Object.keys(clip.tags)) body.append(...tags(clip, kind, seconds));
    body.append(heading("systems: probability of the true scene", seconds));
    for (const name of data.systems) body.append(...rows(clip, name, seconds));
    const table = made("table", { class: "sheet" }, made("thead", {}, head), body);
    const region = { class: "scroll", role: "region", tabindex: 0, "aria-label": "the clip, second by second" };
    const top = made("div", { class: "sheet-top" }, large, facts(clip));
    return target.replaceChildren(made("div", { class: "block" }, top, made("div", region, table)));
  }

  function list(wanted) {
    const label = one("#clip-scene").value;
    const name = one("#clip-wrong").value;
    shown = data.clips.filter(
      (c) => (!label || scene(c) === label) && (!name || says(c, name) !== scene(c)),
    );
    const ids = shown.map((c) => c.about.clip_id);
    one("#clip").replaceChildren(...ids.map((id) => made("option", { value: id }, id)));
    if (ids.includes(wanted)) one("#clip").value = wanted;
    sheet();
  }

  function step(by) {
    const select = one("#clip");
    if (!shown.length) return;
    select.selectedIndex = (select.selectedIndex + by + shown.length) % shown.length;
    sheet();
  }

  function start() {
    if (data) return;
    data = island("browser");
    const scenes = [...new Set(data.clips.map(scene))].sort();
    one("#clip-scene").append(...scenes.map((label) => made("option", { value: label }, label)));
    const wrong = data.systems.map((name) => made("option", { value: name }, `what ${name} gets wrong`));
    one("#clip-wrong").append(...wrong);
    if (data.systems.length) opened.add(data.systems[0]);
    for (const id of ["#clip-scene", "#clip-wrong"]) one(id).addEventListener("change", () => list());
    one("#clip").addEventListener("change", sheet);
    one("#clip-back").addEventListener("click", () => step(-1));
    one("#clip-on").addEventListener("click", () => step(1));
    list();
  }

  function show(id) {
    go("clips");
    for (const filter of ["#clip-scene", "#clip-wrong"]) one(filter).value = "";
    list(id);
  }

  return { start, show };
}
