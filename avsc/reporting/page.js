"use strict";
// The page's controls. What is not ours reaches the document as text, never as markup.
(() => {
  const page = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const island = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = island("figures");
  const choice = {};
  const BUTTONS = [["pan2d", "zoom2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]];
  const system = matchMedia("(prefers-color-scheme: dark)");

  function made(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children); // strings become text nodes
    return element;
  }

  // Figures: drawn when first seen, in the colours of the page

  const theme = () => page.dataset.theme || (system.matches ? "dark" : "light");

  function template() {
    const css = getComputedStyle(page);
    const of = (name) => css.getPropertyValue(name).trim();
    const axis = { gridcolor: of("--line"), linecolor: of("--line"), zerolinecolor: of("--line") };
    return {
      layout: {
        font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: of("--text") },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        margin: { l: 10, r: 14, t: 10, b: 10 },
        xaxis: axis,
        yaxis: axis,
        legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: of("--quiet"), activecolor: of("--accent") },
        hoverlabel: {
          bgcolor: of("--raised"),
          bordercolor: of("--line"),
          font: { color: of("--text") },
          namelength: -1,
        },
        coloraxis: { colorscale: [[0, of("--shade-0")], [1, of("--shade-1")]] },
      },
      data: { heatmap: [{ textfont: { color: of("--text") } }] },
    };
  }

  function draw() {
    for (const plot of all(".plot")) {
      const key = `${theme()} ${plot.clientWidth < 420}`;
      if (plot.offsetParent === null || plot.dataset.drawn === key) continue;
      const { data, layout } = figures[plot.id];
      const map = layout.dragmode === "pan";
      const whole = { ...layout, template: template(), autosize: true };
      if (matchMedia("(pointer: coarse)").matches) whole.dragmode = false; // fingers scroll the page
      const config = { responsive: true, displaylogo: false, displayModeBar: map, modeBarButtons: BUTTONS };
      Plotly.react(plot, data, whole, config);
      plot.dataset.drawn = key;
    }
  }

  // Choices: a block is seen where all its choices are made

  function choose() {
    for (const control of all("[data-choice]")) choice[control.dataset.choice] = control.value;
    choice.protocol = one("input[name=protocol]:checked").value;
    for (const block of all("[data-when]")) {
      const when = Object.entries(JSON.parse(block.dataset.when));
      block.classList.toggle("on", when.every(([name, value]) => choice[name] === value));
    }
    const panel = one(".panel.on");
    const asks = all("[data-when]", panel).some((b) => b.dataset.when.includes('"protocol"'));
    one(".protocol").classList.toggle("on", asks);
    draw();
  }

  // Tabs

  const tabs = all("[role=tab]");

  function open(name) {
    const tab = tabs.find((t) => t.getAttribute("aria-controls") === name) || tabs[0];
    for (const t of tabs) {
      t.setAttribute("aria-selected", t === tab);
      t.tabIndex = t === tab ? 0 : -1;
      document.getElementById(t.getAttribute("aria-controls")).classList.toggle("on", t === tab);
    }
    // not scrollIntoView, which would also move where the keyboard's first Tab starts
    const bar = tab.parentElement;
    bar.scrollLeft += tab.getBoundingClientRect().left - bar.getBoundingClientRect().left - 40;
    if (name === "clips") browser.start();
    choose();
    return tab;
  }

  function go(name) {
    history.replaceState(null, "", `#${name}`);
    scrollTo(0, 0);
    return open(name);
  }

  function steps(event) {
    const at = tabs.indexOf(event.currentTarget);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(tabs.at(to % tabs.length).getAttribute("aria-controls")).focus();
  }

  // Groups of a map

  function group(button) {
    const plot = document.getElementById(button.dataset.figure);
    const buttons = all(`[data-trace][data-figure="${plot.id}"]`);
    const every = button.dataset.every;
    for (const b of every ? buttons : [button]) {
      const on = every ? every === "true" : b.getAttribute("aria-pressed") !== "true";
      b.setAttribute("aria-pressed", on);
      figures[plot.id].data[b.dataset.trace].visible = on;
    }
    Plotly.restyle(plot, { visible: figures[plot.id].data.map((trace) => trace.visible ?? true) });
  }

  const browser = clipBrowser({ all, one, island, made, go });

  // Theme

  function named() {
    const other = theme() === "dark" ? "light" : "dark";
    one("#theme").textContent = other === "dark" ? "Dark" : "Light";
    one("#theme").setAttribute("aria-label", `Change to the ${other} theme`);
  }

  function turn() {
    page.dataset.theme = theme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("avsc-theme", page.dataset.theme);
    } catch {
      // no storage: until the page is closed
    }
    named();
    draw();
  }

  for (const tab of tabs) {
    tab.addEventListener("click", () => go(tab.getAttribute("aria-controls")));
    tab.addEventListener("keydown", steps);
  }
  for (const control of all("[data-choice], input[name=protocol]")) control.addEventListener("change", choose);
  for (const button of all("[data-figure]")) button.addEventListener("click", () => group(button));
  for (const button of all("[data-clip]")) button.addEventListener("click", () => browser.show(button.dataset.clip));
  for (const number of all("data[data-source]")) number.title = `${number.value} in ${number.dataset.source}`;
  one("#theme").addEventListener("click", turn);
  system.addEventListener("change", () => { named(); draw(); });
  addEventListener("hashchange", () => open(location.hash.slice(1)));
  named();
  open(location.hash.slice(1));
})();
