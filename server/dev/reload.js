// Live reload: listens to the worker behind this page. See package dev.
//
// The same file is the page's part and, as a shared worker, the one listener for
// all pages of the application: a browser opens six connections to a host at most,
// and a stream for each tab would leave none for the pages.
(() => {
  "use strict";
  const shared = typeof SharedWorkerGlobalScope !== "undefined" && self instanceof SharedWorkerGlobalScope;
  const script = shared ? null : document.currentScript;
  if (!shared && (!script || self.__appdReload)) return; // once a page, and not evaluated by some library
  self.__appdReload = true;
  const own = shared ? location.href : script.src;
  const stream = own.replace(/\.js(\?.*)?$/, "");
  if (shared) return relay();

  // listen passes on what comes from the worker behind us, and "lost" when the
  // stream ends. A new generation ends it, so the first look for another is soon.
  function listen(heard) {
    let source, timer;
    let delay = 50;
    const connect = () => {
      source = new EventSource(stream);
      for (const name of ["hello", "failure", "fixed", "reload", "css"]) {
        source.addEventListener(name, (e) => {
          delay = 50;
          heard(name, JSON.parse(e.data));
        });
      }
      source.onerror = () => {
        source.close();
        heard("lost");
        timer = setTimeout(connect, delay);
        delay = Math.min(2 * delay, 2000);
      };
    };
    connect();
    return () => {
      clearTimeout(timer);
      source.close();
    };
  }

  // relay is the shared worker: one stream, told to every page.
  function relay() {
    const pages = new Set();
    let state; // what a page has to know that opens now; unknown while no stream is open
    self.onconnect = (e) => {
      const page = e.ports[0];
      page.onmessage = () => pages.delete(page); // it is being left
      pages.add(page);
      if (state) page.postMessage(["hello", state]);
    };
    listen((name, data) => {
      if (name === "lost") state = undefined;
      if (name === "hello") state = data;
      if (state && name === "failure") state.failure = data;
      if (state && name === "fixed") delete state.failure;
      if (state && (name === "css" || name === "reload")) state.edits++;
      for (const page of pages) page.postMessage([name, data]);
    });
  }

  // What this page knows: the code that made it, and how many edits it has seen.
  const version = Number(script.dataset.version);
  let edits;
  let leave; // stops listening
  let overlay;

  function connect() {
    let worker;
    const direct = () => { leave = listen(heard); };
    try {
      worker = new SharedWorker(own);
    } catch {
      return direct();
    }
    worker.onerror = direct; // the page's policy forbids workers
    worker.port.onmessage = (e) => heard(...e.data);
    leave = () => worker.port.postMessage("leave");
  }

  function heard(name, data) {
    switch (name) {
      case "hello": return greet(data);
      case "failure": return show(data);
      case "fixed": return hide();
      case "reload": return reload();
      case "css":
        edits++;
        return swap(data.paths || []);
    }
  }

  function greet(hello) {
    if (hello.version < version) return; // an old worker, on its way out
    if (hello.version > version && retried() !== hello.version) {
      retried(hello.version);
      return reload();
    }
    if (edits !== undefined && edits !== hello.edits) return reload();
    edits = hello.edits;
    if (hello.failure) show(hello.failure);
    else hide();
  }

  // retried remembers which code the page was loaded anew for. When that brought an
  // old page again, out of some cache, there is no use in going on.
  function retried(set) {
    try {
      if (set) sessionStorage.setItem("appd-reload", set);
      return Number(sessionStorage.getItem("appd-reload"));
    } catch {
      return 0; // a sandboxed frame has no storage
    }
  }

  function reload() {
    leave();
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
      next.removeAttribute("integrity"); // of the sheet as it was
      next.onload = () => link.remove();
      next.onerror = () => next.remove(); // better the old one than none
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
  addEventListener("pagehide", () => leave());
  addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  connect();
})();
