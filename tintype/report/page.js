"use strict";
(() => {
  const FEW = 20; // pictures that "best", "worst" and "disagree" choose
  const AT_ONCE = 8; // rows of pictures, so that the page opens fast

  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  const index = data("index");
  const all = document.querySelector("#controls [name=all]");

  /** An element; text and names from data become text and attributes, never markup. */
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const shown = (value) => {
    if (value === null || value === undefined) return "–";
    const text = Math.abs(value) >= 1e4 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
    return text.replace("-", "\u2212");
  };

  // Tables

  const sortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    if (body.rows.length < 2) return;
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.dataset.first || "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        body.append(...sorted([...body.rows], (row) => sortKey(row.cells[column]), order));
      });
    });
  };

  const sortKey = (cell) => {
    if (cell.dataset.sort === undefined) return cell.textContent.trim() || null;
    return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
  };

  /** In order of `key`, equal ones as they were; those without a key last, whatever the order. */
  const sorted = (list, key, order) => {
    const sign = order === "descending" ? -1 : 1;
    const keyed = list.map((entry) => [key(entry), entry]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (typeof a === "string" ? a.localeCompare(b, "en") : a - b);
    });
    return keyed.map(([, entry]) => entry);
  };

  // Pictures

  const picture = (webp, size, alt) =>
    make("img", {
      src: `data:image/webp;base64,${webp}`, alt, width: size[0], height: size[1], decoding: "async",
    });

  const swatch = (model) => {
    const place = index.swatches[model];
    const has = Object.hasOwn(index.swatches, model);
    const dot = make("span", { class: place === null ? "dot" : `dot series-${place}` });
    return make("span", { class: "model" }, ...(has ? [dot] : []), model);
  };

  /** The grey picture left of the handle, the coloured one right of it. */
  const slider = (shot, model, name) => {
    const coloured = picture(shot.coloured[model], shot.size, `${name}, coloured by ${model}`);
    coloured.className = "coloured";
    const label = `${name}: black and white against ${model}`;
    const range = make("input", { type: "range", min: 0, max: 100, value: all.value, "aria-label": label });
    const grey = picture(shot.grey, shot.size, `${name}, black and white`);
    const box = make("div", { class: "slider" }, grey, coloured, range);
    const move = () => {
      box.style.setProperty("--at", `${range.value}%`);
      range.setAttribute("aria-valuetext", `${range.value} % black and white`);
    };
    range.addEventListener("input", move);
    move();
    return box;
  };

  const caption = (title, figures, asked, best) => {
    const names = [...new Set([asked, ...index.captions])].filter((name) => figures[name] !== undefined);
    const list = make("dl");
    for (const name of names) {
      const row = make("div", {}, make("dt", {}, name), make("dd", {}, shown(figures[name])));
      if (name === asked) row.className = "asked";
      list.append(row);
    }
    const mark = best ? [make("span", { class: "best" }, "best")] : [];
    return make("figcaption", {}, make("p", {}, title, ...mark), ...(names.length ? [list] : []));
  };

  const row = (entry, shot, models, asked) => {
    const best = asked && bestOf(entry, asked);
    const cells = models
      .filter((model) => Object.hasOwn(shot.coloured, model))
      .map((model) => {
        const about = caption(swatch(model), (entry.figures || {})[model] || {}, asked, model === best);
        return make("figure", {}, slider(shot, model, entry.name), about);
      });
    if (shot.truth) {
      const truth = picture(shot.truth, shot.size, `${entry.name}, true colours`);
      const title = make("span", { class: "model" }, "truth");
        const about = caption(title, entry.figures.truth || {}, asked, false);
      cells.push(make("figure", { class: "truth" }, make("div", { class: "still" }, truth), about));
    }
    const group = entry.group ? [make("span", { class: "group" }, entry.group)] : [];
    const head = make("h3", {}, entry.name, ...group);
    const box = make("div", { class: "cells" }, ...cells);
    box.style.setProperty("--columns", cells.length);
    return make("li", {}, head, box);
  };

  /** Shows a list of entries, AT_ONCE rows at a time, in place of what it showed before. */
  const pager = (list, more, build, tell) => {
    let entries = [];
    const grow = () => {
      const next = entries.slice(list.children.length, list.children.length + AT_ONCE);
      list.append(...next.map(build));
      more.hidden = list.children.length >= entries.length;
      tell(list.children.length, entries.length);
      return list.children[list.children.length - next.length];
    };
    more.addEventListener("click", () => {
      const first = grow();
      if (first) first.querySelector("input")?.focus({ preventScroll: true });
    });
    return (chosen) => {
      entries = chosen;
      list.replaceChildren();
      grow();
    };
  };

  // Order and choice

  const value = (entry, model, name) => entry.figures[model]?.[name] ?? null;

  /** How bad a model's figure is: a number that is the smallest for the best. */
  const badness = (entry, model, figure) => {
    const found = value(entry, model, figure.name);
    if (found === null || figure.better === "down") return found;
    if (figure.better === "up") return -found;
    const target = figure.better === "truth" ? value(entry, "truth", figure.name) : figure.better;
    return target === null ? null : Math.abs(found - target);
  };

  const bestOf = (entry, name) => {
    const figure = index.figures.find((one) => one.name === name);
    const [first] = sorted(index.models, (model) => badness(entry, model, figure), "ascending");
    return badness(entry, first, figure) === null ? null : first;
  };

  /** The largest less the smallest value of the models that learned something. */
  const spread = (entry, figure) => {
    const learned = index.models.filter((model) => !index.floors.includes(model));
    const compared = learned.length > 1 ? learned : index.models;
    const values = compared.map((model) => value(entry, model, figure.name)).filter((one) => one !== null);
    return values.length > 1 ? Math.max(...values) - Math.min(...values) : null;
  };

  const chosen = ({ figure: name, model, order, show, group }) => {
    const figure = index.figures.find((one) => one.name === name);
    let entries = index.pictures.filter((entry) => !group || entry.group === group);
    if (!figure) return entries;
    if (show === "disagree") {
      entries = sorted(entries, (entry) => spread(entry, figure), "descending").slice(0, FEW);
    } else if (show !== "all") {
      const from = show === "best" ? "ascending" : "descending";
      entries = sorted(entries, (entry) => badness(entry, model, figure), from).slice(0, FEW);
    }
    return order === "none" ? entries : sorted(entries, (entry) => value(entry, model, name), order);
  };

  const start = () => {
    const form = document.getElementById("controls");
    const field = (name) => form.elements.namedItem(name);
    const options = (name, list) => {
      field(name).append(...list.map((one) => make("option", { value: one }, one)));
    };
    options("figure", index.figures.map((figure) => figure.name));
    options("model", index.models);
    const learned = index.models.find((model) => !index.floors.includes(model));
    if (learned) field("model").value = learned;
    if (index.captions.length) field("figure").value = index.captions[0];
    const groups = [...new Set(index.pictures.map((entry) => entry.group).filter(Boolean))];
    options("group", groups.sort((a, b) => a.localeCompare(b, "en")));
    field("group").closest("label").hidden = groups.length < 2;
    form.hidden = index.pictures.length + index.old.length === 0;
    for (const label of form.querySelectorAll("label:not(.together)")) {
      if (index.figures.length === 0 || index.pictures.length < 2) label.hidden = true;
    }

    index.pictures.forEach((entry, number) => { entry.number = number; });
    index.old.forEach((entry, number) => { entry.number = number; });
    const status = document.getElementById("status");
    const showPictures = pager(
      document.getElementById("pictures"),
      document.getElementById("pictures-more"),
      (entry) => row(entry, data(`picture-${entry.number}`), index.models, field("figure").value),
      (some, of) => { status.textContent = of ? `${some} of ${of} pictures are shown.` : ""; },
    );
    const show = () => showPictures(chosen(Object.fromEntries(new FormData(form))));
    form.addEventListener("change", (event) => { if (event.target !== all) show(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    all.addEventListener("input", () => {
      for (const range of document.querySelectorAll(".slider input")) {
        range.value = all.value;
        range.dispatchEvent(new Event("input"));
      }
    });
    show();

    const oldList = document.getElementById("old-pictures");
    if (oldList) {
      const build = (entry) => row(entry, data(`old-${entry.number}`), index.old_models, null);
      pager(oldList, document.getElementById("old-more"), build, () => {})(index.old);
    }
    document.querySelectorAll("table.sortable").forEach(sortable);
  };

  start();
})();
