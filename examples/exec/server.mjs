// A Node program under appd: it takes the socket by systemd's convention (LISTEN_FDS, first descriptor 3).
import http from "node:http";

if (process.env.LISTEN_FDS !== "1" || process.env.LISTEN_PID !== String(process.pid)) {
  console.error("no inherited socket: start me with appd");
  process.exit(1);
}

const server = http.createServer((request, response) => {
  response.end(`process ${process.pid}, worker ${process.env.APPD_WORKER_ID}, ${request.method} ${request.url}\n`);
});
server.listen({ fd: 3 }, () => console.log("listening"));

process.on("SIGTERM", () => server.close(() => process.exit(0)));
