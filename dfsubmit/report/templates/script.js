"use strict";
// Sorting, filters and search over rows that are all in the page; their state is in the URL's hash.
(() => {
  const byId = (id) => document.getElementById(id);
  const table = byId("table");
  const files = Array.from(table.tBodies);
  const headers = Array.from(table.querySelectorAll("th[data-sort]"));
  const flags = ["near", "wrong", "changed", "noface"].filter(byId);
  const count = byId("count");
  const order = new Intl.Collator(document.documentElement.lang, { numeric: true });
  let state = { sort: "", dir: "" };

  const test = {
    near: (file) => "near" in file.dataset,
    wrong: (file) => "wrong" in file.dataset,
    changed: (file) => "changed" in file.dataset,
    noface: (file) => file.dataset.status === "no_face",
  };

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const status = byId("status").value;
    const label = byId("label").value;
    const wanted = flags.filter((flag) => byId(flag).checked);
    let shown = 0;
    for (const file of files) {
      const data = file.dataset;
      const fits =
        (!status || data.status === status) &&
        (!label || data.label === label) &&
        wanted.every((flag) => test[flag](file)) &&
        words.every((word) => data.name.includes(word));
      file.hidden = !fits;
      shown += fits;
    }
    const text = shown === files.length ? count.dataset.all : count.dataset.some;
    count.textContent = text.replace("{shown}", shown);
    byId("none").hidden = shown > 0;
  }

  function sort(key, dir) {
    state = { sort: key, dir };
    for (const header of headers) {
      if (header.dataset.sort === key) header.setAttribute("aria-sort", dir);
      else header.removeAttribute("aria-sort");
    }
    const sign = dir === "descending" ? -1 : 1;
    const sorted = files.slice();
    if (key) {
      const number = (file) => parseFloat(file.dataset[key]);
      sorted.sort((a, b) => {
        if (key === "name") return sign * order.compare(a.dataset.name, b.dataset.name);
        const [x, y] = [number(a), number(b)];
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y); // without a number: always last
        return sign * (x - y);
      });
    }
    table.append(...sorted);
  }

  function write() {
    const parts = new URLSearchParams();
    const set = (name, value) => value && parts.set(name, value);
    set("q", byId("search").value);
    set("status", byId("status").value);
    set("label", byId("label").value);
    for (const flag of flags) if (byId(flag).checked) parts.set(flag, "1");
    set("sort", state.sort);
    set("dir", state.sort && state.dir);
    set("open", files.filter((file) => file.querySelector("details").open).map((f) => f.id).join(" "));
    const text = parts.toString();
    history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
  }

  function open(id, scroll) {
    const file = files.find((item) => item.id === id);
    if (!file) return;
    if (file.hidden && scroll) reset(); // after a reload, what is open may well be filtered out
    file.querySelector("details").open = true;
    if (scroll) show(file, 4);
  }

  // Rows that come into sight get their true heights (content-visibility), which moves the others.
  function show(file, times) {
    file.scrollIntoView({ block: "start" });
    if (times > 1) requestAnimationFrame(() => show(file, times - 1));
  }

  function reset() {
    byId("search").value = byId("status").value = byId("label").value = "";
    for (const flag of flags) byId(flag).checked = false;
    filter();
  }

  function read() {
    const hash = location.hash.slice(1);
    if (/^f\d+$/.test(hash)) return open(hash, true);
    if (hash && !hash.includes("=")) return; // a place in the page
    const parts = new URLSearchParams(hash);
    byId("search").value = parts.get("q") || "";
    byId("status").value = parts.get("status") || "";
    byId("label").value = parts.get("label") || "";
    for (const flag of flags) byId(flag).checked = parts.has(flag);
    const key = headers.some((th) => th.dataset.sort === parts.get("sort")) ? parts.get("sort") : "";
    if (key || state.sort) sort(key, parts.get("dir") === "descending" ? "descending" : "ascending");
    filter();
    for (const id of (parts.get("open") || "").split(" ")) open(id, false);
  }

  for (const header of headers) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const first = header.dataset.first || "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      sort(header.dataset.sort, header.getAttribute("aria-sort") === first ? other : first);
      write();
    });
  }
  let timer = 0;
  byId("search").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { filter(); write(); }, 80);
  });
  for (const id of ["status", "label", ...flags]) {
    byId(id).addEventListener("change", () => { filter(); write(); });
  }
  byId("reset").addEventListener("click", () => { reset(); write(); });
  table.addEventListener("toggle", (event) => {
    if (event.target.matches("details") && document.documentElement.dataset.ready) write();
  }, true);
  window.addEventListener("hashchange", read);
  byId("tools").hidden = false;
  read();
  // The toggle events of rows opened by the hash come later; they need not write it again.
  setTimeout(() => { document.documentElement.dataset.ready = "1"; }, 0);
})();
