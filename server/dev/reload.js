// Live reload: listens to the worker behind this page. See package dev.
(() => {
  "use strict";
  if (window.__appdReload) return;
  window.__appdReload = true;

  const own = document.currentScript.src;
  const stream = own.replace(/\.js(\?.*)?$/, "");
  let generation = 0;
  let source;
  let overlay;

  function connect() {
    source = new EventSource(stream);
    source.addEventListener("hello", (e) => greet(JSON.parse(e.data)));
    source.addEventListener("failure", (e) => show(JSON.parse(e.data)));
    source.addEventListener("fixed", hide);
    source.addEventListener("reload", reload);
    source.addEventListener("css", (e) => swap(JSON.parse(e.data).paths || []));
    source.onerror = () => {
      // After an answer that is no stream the browser gives up by itself.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 500);
    };
  }

  function greet(hello) {
    if (generation && hello.generation !== generation) return reload();
    generation = hello.generation;
    if (hello.failure) show(hello.failure);
    else hide();
  }

  function reload() {
    source.close();
    location.reload();
  }

  // swap loads changed style sheets anew without touching the page.
  function swap(paths) {
    const names = paths.map((p) => p.split("/").pop());
    const sheets = [...document.querySelectorAll('link[rel~="stylesheet"]')].filter(
      (link) => new URL(link.href).origin === location.origin);
    const hit = sheets.filter((link) => names.includes(new URL(link.href).pathname.split("/").pop()));
    for (const link of hit.length ? hit : sheets) {
      const url = new URL(link.href);
      url.searchParams.set("__appd", Date.now());
      const next = link.cloneNode();
      next.href = url;
      next.onload = next.onerror = () => link.remove();
      link.after(next);
    }
  }

  // The overlay is styled through the object model, which a policy for inline
  // styles does not forbid, and lives in a shadow tree, out of the page's reach.
  function style(node, rules) {
    Object.assign(node.style, rules);
    return node;
  }

  function show(failure) {
    hide();
    overlay = style(document.createElement("div"), {
      all: "initial", position: "fixed", inset: "0", zIndex: "2147483647",
      background: "rgba(12, 14, 20, .82)", overflow: "auto",
    });
    overlay.id = "appd-overlay";
    overlay.setAttribute("role", "alert");
    const box = style(document.createElement("div"), {
      margin: "6vh auto", maxWidth: "72rem", padding: "1.4rem 1.8rem", borderRadius: "8px",
      background: "#171a23", color: "#e8eaf0", borderTop: "4px solid #ff5d5d",
      font: "14px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
    });
    const title = style(document.createElement("div"), { font: "600 17px/1.4 system-ui, sans-serif", color: "#ff8585" });
    title.textContent = failure.title || "the application does not start";
    const text = style(document.createElement("pre"), { whiteSpace: "pre-wrap", margin: "1rem 0", overflowWrap: "anywhere" });
    for (const piece of (failure.text || "").split(/((?:[\w@.\/+-]+\.\w+):\d+(?::\d+)?|File "[^"]+", line \d+)/)) {
      const span = document.createElement("span");
      span.textContent = piece;
      if (/:\d+|, line \d+$/.test(piece) && piece.length < 300) style(span, { color: "#ffd479" });
      text.append(span);
    }
    const foot = style(document.createElement("div"), { font: "13px/1.4 system-ui, sans-serif", color: "#9aa1b2" });
    foot.textContent = "The last good version goes on serving. This goes away by itself when the error is mended; Esc hides it.";
    box.append(title, text, foot);
    overlay.attachShadow({ mode: "open" }).append(box);
    document.documentElement.append(overlay);
  }

  function hide() {
    if (overlay) overlay.remove();
    overlay = undefined;
  }

  addEventListener("keydown", (e) => { if (e.key === "Escape") hide(); });
  addEventListener("pagehide", () => source && source.close());
  addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  connect();
})();
