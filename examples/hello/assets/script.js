// The page's moving parts: the clock, the tally of workers, the upload, the WebSocket.

const $ = (id) => document.getElementById(id);

// The same page over another protocol is the same host on another port.
for (const a of document.querySelectorAll("nav a")) {
  a.href = `${location.protocol}//${location.hostname}:${a.dataset.port}/`;
}

const stream = new EventSource("/events");
stream.onmessage = (e) => { $("clock").textContent = e.data; };
stream.addEventListener("worker", (e) => { $("clock-from").textContent = `, worker ${JSON.parse(e.data).worker}`; });
stream.addEventListener("goodbye", () => { $("clock-from").textContent = ", moving"; });

$("ask").onclick = async () => {
  $("ask").disabled = true;
  const counts = new Map();
  let left = 200;
  const ask = async () => {
    while (left-- > 0) {
      const who = await (await fetch("/whoami")).json();
      const name = `worker ${who.worker}, pid ${who.pid}`;
      counts.set(name, (counts.get(name) || 0) + 1);
      show(counts);
    }
  };
  await Promise.all(Array.from({ length: 6 }, ask));
  $("ask").disabled = false;
};

function show(counts) {
  const most = Math.max(...counts.values());
  $("tally").replaceChildren(...[...counts].sort().map(([name, n]) => {
    const row = document.createElement("div");
    const bar = document.createElement("i");
    bar.style.width = `${(100 * n) / most}%`;
    bar.title = n;
    row.append(`${name}: ${n}`, bar);
    return row;
  }));
}

$("upload").onsubmit = (e) => {
  e.preventDefault();
  const request = new XMLHttpRequest();
  request.upload.onprogress = (p) => { $("progress").value = p.loaded / p.total; };
  request.onload = () => {
    const r = request.status === 200 && JSON.parse(request.response);
    $("receipt").textContent = r
      ? `${r.bytes.toLocaleString()} bytes in ${r.seconds.toFixed(2)} s by worker ${r.worker}, SHA-256 ${r.sha256}`
      : `${request.status}: ${request.response}`;
  };
  request.onerror = () => { $("receipt").textContent = "the connection broke"; };
  $("progress").hidden = false;
  request.open("POST", "/upload");
  request.send(new FormData(e.target));
};

let socket;
$("talk").onsubmit = (e) => {
  e.preventDefault();
  const text = e.target.text.value;
  e.target.reset();
  if (socket?.readyState === WebSocket.OPEN) {
    socket.send(text);
    return;
  }
  socket = new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/socket`);
  socket.onopen = () => socket.send(text);
  socket.onmessage = (m) => hear(m.data);
  socket.onerror = () => hear("no WebSocket through this protocol");
};

function hear(text) {
  const li = document.createElement("li");
  li.textContent = text;
  $("heard").prepend(li);
}
